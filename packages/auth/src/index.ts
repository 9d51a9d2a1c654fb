/**
 * Authentication for clients of OCI registries: challenges, tokens, and credentials.
 *
 * @since 0.1.0
 */
export * as Auth from "./Auth.js"
export * as Challenge from "./Challenge.js"
export * as Credential from "./Credential.js"
export * as CredentialHelper from "./CredentialHelper.js"
export * as Credentials from "./Credentials.js"
export * as DockerConfig from "./DockerConfig.js"
export * as Realm from "./Realm.js"
export * as TokenCache from "./TokenCache.js"
export * as TokenExchange from "./TokenExchange.js"
