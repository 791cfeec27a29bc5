package s3

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
)

// Environment are the options of Amazon S3, and of other servers that AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL name, as AWS's
// own tools find them (https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html): variables first, then the
// profile of AWS_PROFILE in the file of AWS_CONFIG_FILE. AWS_NO_SIGN_REQUEST is GDAL's name for the option of the command
// line of AWS.
func Environment(getenv func(string) string) Options {
	profile := func(string) string { return "" }
	if !truth(getenv("AWS_IGNORE_CONFIG_FILE")) {
		profile = configOf(getenv)
	}
	return Options{
		Scheme:     "s3",
		Endpoint:   cmp.Or(getenv("AWS_ENDPOINT_URL_S3"), getenv("AWS_ENDPOINT_URL"), profile("endpoint_url")),
		Region:     cmp.Or(getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION"), profile("region")),
		Anonymous:  truth(getenv("AWS_NO_SIGN_REQUEST")),
		NoMetadata: truth(getenv("AWS_EC2_METADATA_DISABLED")),
	}
}

// GoogleEnvironment are the options of Google Cloud Storage through its XML API, which takes HMAC keys
// (https://cloud.google.com/storage/docs/interoperability) and access tokens, which are Options.Tokens of who calls. Names of the
// variables are GDAL's, but GS_ENDPOINT_URL, which is ours.
func GoogleEnvironment(getenv func(string) string) Options {
	return Options{
		Scheme:    "gs",
		Endpoint:  cmp.Or(getenv("GS_ENDPOINT_URL"), "https://storage.googleapis.com"),
		Region:    "auto",
		AccessKey: getenv("GS_ACCESS_KEY_ID"), SecretKey: getenv("GS_SECRET_ACCESS_KEY"),
		Anonymous: truth(getenv("GS_NO_SIGN_REQUEST")),
	}
}

func truth(v string) bool {
	switch strings.ToLower(v) {
	case "1", "true", "yes":
		return true
	}
	return false
}

// configOf reads the profile in AWS's config file: key = value, without what is nested below a key. A file that is not there or
// cannot be read has none.
func configOf(getenv func(string) string) func(key string) string {
	name := getenv("AWS_CONFIG_FILE")
	if name == "" {
		home := cmp.Or(getenv("HOME"), getenv("USERPROFILE"))
		if home == "" {
			return func(string) string { return "" }
		}
		name = filepath.Join(home, ".aws", "config")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return func(string) string { return "" }
	}
	values := section(string(text), getenv("AWS_PROFILE"))
	return func(key string) string { return values[key] }
}

// section is what a config file says of a profile; "" is the default one.
func section(text, profile string) map[string]string {
	header := "[default]"
	if profile != "" && profile != "default" {
		header = "[profile " + profile + "]"
	}
	values := map[string]string{}
	inside := false
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(trimmed, "="); {
		case strings.HasPrefix(trimmed, "["):
			inside = strings.Join(strings.Fields(trimmed), " ") == header
		case inside && ok && !strings.ContainsRune(" \t#;", rune(line[0])):
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return values
}
