//go:build azure

package azure

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"curate/corpus/store/requests"
)

// statusIn is the status of an answer that the library made an error of, 0 without one.
func statusIn(err error) int {
	if answer := new(azcore.ResponseError); errors.As(err, &answer) {
		return answer.StatusCode
	}
	return 0
}

// messageOf is what the body of an error says, without the lines on when and in which request.
func messageOf(r *http.Response) string {
	if r == nil || r.Body == nil {
		return ""
	}
	b, err := runtime.Payload(r)
	if err != nil {
		return ""
	}
	var said struct{ Message string }
	if xml.Unmarshal(bytesWithoutMark(b), &said) != nil {
		return ""
	}
	line, _, _ := strings.Cut(said.Message, "\n")
	return strings.TrimSpace(line)
}

// bytesWithoutMark takes off the mark of byte order that the service begins its XML with.
func bytesWithoutMark(b []byte) []byte {
	return []byte(strings.TrimPrefix(string(b), "\ufeff"))
}

// judge makes an Error of what a request returned, and says whether another attempt may fare better. The codes are those of
// https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes.
func (a *account) judge(err error) (_ *requests.Error, again bool) {
	answer := new(azcore.ResponseError)
	if !errors.As(err, &answer) || answer.StatusCode == 0 {
		return requests.NoAnswer(a.endpoint, err)
	}
	e := &requests.Error{Endpoint: a.endpoint, Status: answer.StatusCode, Code: answer.ErrorCode, Message: messageOf(answer.RawResponse)}
	switch bloberror.Code(answer.ErrorCode) {
	case bloberror.ContainerNotFound, bloberror.ContainerDisabled:
		e.Remedy = "make the container, or mend the URL"
		return e, false
	case bloberror.AuthorizationPermissionMismatch, bloberror.InsufficientAccountPermissions:
		e.Is = fs.ErrPermission
		e.Remedy = `give who asks the role "Storage Blob Data Contributor", or a signature with more rights`
		return e, false
	case bloberror.NoAuthenticationInformation, "PublicAccessNotPermitted":
		e.Is = fs.ErrPermission
		e.Remedy = "set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, or unset AZURE_NO_SIGN_REQUEST"
		return e, false
	case bloberror.BlobImmutableDueToPolicy, bloberror.LeaseIDMissing, bloberror.InvalidBlobType, bloberror.SnapshotsPresent, bloberror.ResourceTypeMismatch, "PathConflict":
		e.Remedy = "the blob cannot be written as it is; remove it, its lease or policy, or choose another name"
		return e, false
	case bloberror.MD5Mismatch, bloberror.OperationTimedOut:
		return e, true
	case bloberror.InvalidHeaderValue, bloberror.InvalidQueryParameterValue:
		e.Remedy = "an emulator may be older than the version that is asked for; tell it to take any (Azurite: --skipApiVersionCheck)"
		return e, false
	}
	switch status := answer.StatusCode; {
	case status == http.StatusNotFound:
		e.Is = fs.ErrNotExist
		return e, false
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.Is = fs.ErrPermission
		e.Remedy = "look at the credentials, their rights, this machine's clock and the account's firewall: \"curate store check az://CONTAINER/PREFIX\" says what is missing"
		// A token may end before its time; the next attempt has another.
		return e, status == http.StatusUnauthorized && a.bearer != nil && a.bearer.Again()
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests,
		// None of our writes has a condition, so these two are the state of something else that will pass.
		status == http.StatusConflict, status == http.StatusPreconditionFailed,
		status >= 500 && status != http.StatusNotImplemented:
		e.Remedy = "repeat the command later"
		return e, true
	case status < 400: // an answer that is none
		e.Message = fmt.Sprint("not the answer that was asked for ", e.Message)
		return e, status < 300
	}
	return e, false
}
