const cert = `-----BEGIN CERTIFICATE-----
MIICezCCAiGgAwIBAgIUce49F10OCV6UVXeKBs0eRLayfy0wCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQcmVnaXN0cnkuZXhhbXBsZTAgFw0yNjExMjExNTI2MDJaGA8y
MTI2MTAyODE1MjYwMlowGzEZMBcGA1UEAwwQcmVnaXN0cnkuZXhhbXBsZTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABL2PdG67kqnWPg8LjgP6eqWcf4SIyX6jUtlM
9x+BGlCHxWRXRbzQivbYVdFI2BkNn6dg59piwZdF5RDCiBCrz/qjggE/MIIBOzAd
BgNVHQ4EFgQUmsjYYWhfwGHqqx5ElCUzbfUJ+gQwHwYDVR0jBBgwFoAUmsjYYWhf
wGHqqx5ElCUzbfUJ+gQwDwYDVR0TAQH/BAUwAwEB/zCB5wYDVR0RBIHfMIHcghBy
ZWdpc3RyeS5leGFtcGxlghIqLnJlZ2lzdHJ5LmV4YW1wbGWCDGV2aWwuZXhhbXBs
ZYIOKi5ldmlsLmV4YW1wbGWCHXJlZ2lzdHJ5LmV4YW1wbGUuZXZpbC5leGFtcGxl
ghRldmlscmVnaXN0cnkuZXhhbXBsZYINb3RoZXIuZXhhbXBsZYIPYWxpY2UuZ2l0
aHViLmlvghFtYWxsb3J5LmdpdGh1Yi5pb4IXeG4tLXJnaXN0cnktYnlhLmV4YW1w
bGWCCWxvY2FsaG9zdIcEfwAAAYcEfwAAAjAKBggqhkjOPQQDAgNIADBFAiBv8wHm
d+DSNnYg5YVBP7GBTAnMOrh86IOjynh2/s9LmgIhAPkpdoN7k6kunVoqpssEVOL4
ytakqFu7KrVyx3mA3SJh
-----END CERTIFICATE-----
`

const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxX2LeAbCHLvCOGRt
EVWUNPVdwUhVtfeqzQmHvggfDWyhRANCAAS9j3Ruu5Kp1j4PC44D+nqlnH+EiMl+
o1LZTPcfgRpQh8VkV0W80Ir22FXRSNgZDZ+nYOfaYsGXReUQwogQq8/6
-----END PRIVATE KEY-----
`

/**
 * The certificate of the malicious sites, and its key, in PEM. The key is not secret: only tests trust this certificate.
 * Valid for a hundred years. Created with
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=registry.example \
 *       -addext subjectAltName=DNS:registry.example,DNS:*.registry.example,DNS:evil.example,DNS:*.evil.example,\
 *     DNS:registry.example.evil.example,DNS:evilregistry.example,DNS:other.example,DNS:alice.github.io,\
 *     DNS:mallory.github.io,DNS:xn--rgistry-bya.example,DNS:localhost,IP:127.0.0.1,IP:127.0.0.2
 */
export const certificate = { cert, key }
