/**
 * Transports: functions from one HTTP client to another, each for one purpose.
 *
 * @since 0.1.0
 */
export * as AddressGuard from "./AddressGuard.js"
export * as HttpFailure from "./HttpFailure.js"
export * as Idle from "./Idle.js"
export * as IdleTimer from "./IdleTimer.js"
export * as KeepAlive from "./KeepAlive.js"
export * as Origin from "./Origin.js"
export * as Pace from "./Pace.js"
export * as Redaction from "./Redaction.js"
export * as Redirect from "./Redirect.js"
export * as RequestBody from "./RequestBody.js"
export * as RequestContext from "./RequestContext.js"
export * as ResponseBody from "./ResponseBody.js"
export * as Retry from "./Retry.js"
export * as Transport from "./Transport.js"
export * as UserAgent from "./UserAgent.js"
export * as Warnings from "./Warnings.js"
export * as WireLog from "./WireLog.js"
