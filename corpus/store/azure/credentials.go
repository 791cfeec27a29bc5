//go:build azure

package azure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// Environment are the options that variables name. Names are those of Azure's command line, and those of adlfs and GDAL beside
// them. The first of these says who asks: a connection string, a key, a signature, AZURE_NO_SIGN_REQUEST, and then an identity, as
// DefaultAzureCredential finds it.
func Environment(getenv func(string) string) (Options, error) {
	o := Options{
		Account:  cmp.Or(getenv("AZURE_STORAGE_ACCOUNT"), getenv("AZURE_STORAGE_ACCOUNT_NAME")),
		Endpoint: cmp.Or(getenv("AZURE_STORAGE_SERVICE_ENDPOINT"), getenv("AZURE_STORAGE_ENDPOINT")),
		Key:      cmp.Or(getenv("AZURE_STORAGE_KEY"), getenv("AZURE_STORAGE_ACCOUNT_KEY"), getenv("AZURE_STORAGE_ACCESS_KEY")),
		SAS:      strings.TrimPrefix(cmp.Or(getenv("AZURE_STORAGE_SAS_TOKEN"), getenv("AZURE_STORAGE_SAS")), "?"),
	}
	if s := getenv("AZURE_STORAGE_CONNECTION_STRING"); s != "" {
		if err := o.connect(s); err != nil {
			return Options{}, fmt.Errorf("AZURE_STORAGE_CONNECTION_STRING: %w; copy the account's anew", err)
		}
	}
	if o.Key != "" && o.Account == "" {
		return Options{}, errors.New("there is a key and no account; set AZURE_STORAGE_ACCOUNT")
	}
	switch strings.ToLower(getenv("AZURE_NO_SIGN_REQUEST")) {
	case "1", "true", "yes":
		o.Anonymous = true
	}
	if o.Key == "" && o.SAS == "" && !o.Anonymous {
		o.Tokens = &identity{}
	}
	return o, nil
}

// connect takes over what a connection string says
// (https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string).
func (o *Options) connect(s string) error {
	values := map[string]string{"defaultendpointsprotocol": "https", "endpointsuffix": "core.windows.net"}
	for part := range strings.SplitSeq(s, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return errors.New("is no list of KEY=VALUE with semicolons between")
		}
		values[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
	}
	if strings.EqualFold(values["usedevelopmentstorage"], "true") { // the emulator's, as the same page has them
		values["accountname"] = "devstoreaccount1"
		values["accountkey"] = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
		values["blobendpoint"] = "http://127.0.0.1:10000/devstoreaccount1"
	}
	account, key, sas := values["accountname"], values["accountkey"], strings.TrimPrefix(values["sharedaccesssignature"], "?")
	endpoint := values["blobendpoint"]
	switch {
	case account == "" && endpoint == "":
		return errors.New("names neither AccountName nor BlobEndpoint")
	case (account == "" || key == "") && sas == "":
		return errors.New("has neither AccountName and AccountKey nor SharedAccessSignature")
	case endpoint == "":
		endpoint = values["defaultendpointsprotocol"] + "://" + account + ".blob." + values["endpointsuffix"]
	}
	if account == "" {
		u, err := url.Parse(endpoint)
		if err != nil {
			return err
		}
		account, _, _ = strings.Cut(u.Host, ".")
	}
	o.Account, o.Endpoint, o.Key, o.SAS = account, strings.TrimRight(endpoint, "/"), key, sas
	if key != "" {
		o.SAS = ""
	}
	return nil
}

// scope is what a token is for.
const scope = "https://storage.azure.com/.default"

// identity gets tokens by azidentity's DefaultAzureCredential: a service principal of the environment (AZURE_CLIENT_ID and its
// companions), a workload's identity, the machine's managed identity, or who is logged in to Azure's command line.
type identity struct {
	known bool   // that there is one: it has given a token before
	last  string // token
}

// identityError is why there is no token.
type identityError struct {
	err    error
	passes bool
}

func (e *identityError) Error() string {
	text := strings.Join(strings.Fields(e.err.Error()), " ")
	if e.passes {
		return text + "; see whether the server can be reached from here, and repeat the command"
	}
	return text + `; set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, run "az login", or set AZURE_NO_SIGN_REQUEST=yes for what is public`
}

// Unwrap is fs.ErrPermission where no later attempt would help.
func (e *identityError) Unwrap() error {
	if e.passes {
		return nil
	}
	return fs.ErrPermission
}

// Temporary says whether a later attempt may succeed.
func (e *identityError) Temporary() bool { return e.passes }

// again is a demand (OpenID Connect, section 5.5) for nothing in particular, with which no cache answers.
const again = `{"access_token":{}}`

// Token implements requests.Tokens. The credential is a new one each time: its own cache would give a token that the server has
// refused once more.
func (i *identity) Token(ctx context.Context) (string, time.Time, error) {
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return "", time.Time{}, &identityError{err: err}
	}
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
	if ctx.Err() != nil {
		return "", time.Time{}, context.Cause(ctx)
	}
	if err != nil {
		// What has been there is likely to come back.
		e := &identityError{err: err, passes: i.known}
		var failed *azidentity.AuthenticationFailedError
		if errors.As(err, &failed) && failed.RawResponse != nil {
			status := failed.RawResponse.StatusCode
			e.passes = status >= 500 || status == http.StatusTooManyRequests
		}
		return "", time.Time{}, e
	}
	if token.Token == i.last { // out of the cache of managed identities, which is the process's
		if next, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}, Claims: again}); err == nil {
			token = next
		}
	}
	i.known, i.last = true, token.Token
	return token.Token, token.ExpiresOn, nil
}
