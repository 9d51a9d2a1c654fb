/**
 * Authentication and authorisation for registry servers: a guard, users, policies, and a token service.
 *
 * @since 0.1.0
 */
export * as AdminApi from "./AdminApi.js"
export * as Bcrypt from "./Bcrypt.js"
export * as Guard from "./Guard.js"
export * as Htpasswd from "./Htpasswd.js"
export * as IdTokens from "./IdTokens.js"
export * as Issuer from "./Issuer.js"
export * as Policy from "./Policy.js"
export * as RefreshTokens from "./RefreshTokens.js"
export * as RemoteKeys from "./RemoteKeys.js"
export * as Robots from "./Robots.js"
export * as TokenKeys from "./TokenKeys.js"
export * as TokenService from "./TokenService.js"
export * as TokenVerifier from "./TokenVerifier.js"
export * as Users from "./Users.js"
