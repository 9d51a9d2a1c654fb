/**
 * Authentication for OCI registries: credentials and a transport for clients, a guard and a token service for servers.
 *
 * @since 0.1.0
 */
export * as Auth from "./Auth.js"
export * as Bcrypt from "./Bcrypt.js"
export * as Challenge from "./Challenge.js"
export * as Credential from "./Credential.js"
export * as CredentialHelper from "./CredentialHelper.js"
export * as Credentials from "./Credentials.js"
export * as DockerConfig from "./DockerConfig.js"
export * as Guard from "./Guard.js"
export * as Htpasswd from "./Htpasswd.js"
export * as Origin from "./Origin.js"
export * as Policy from "./Policy.js"
export * as Realm from "./Realm.js"
export * as Redaction from "./Redaction.js"
export * as RefreshTokens from "./RefreshTokens.js"
export * as RemoteKeys from "./RemoteKeys.js"
export * as TokenCache from "./TokenCache.js"
export * as TokenExchange from "./TokenExchange.js"
export * as TokenKeys from "./TokenKeys.js"
export * as TokenService from "./TokenService.js"
export * as TokenVerifier from "./TokenVerifier.js"
export * as Transport from "./Transport.js"
export * as Users from "./Users.js"
