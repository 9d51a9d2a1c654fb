/**
 * Connections that stay open after a HEAD.
 *
 * @since 0.1.0
 */
import * as undiciOptions from "./internal/undiciOptions.js"
import type { RequestContext } from "./RequestContext.js"

/**
 * Makes undici keep the connection of a HEAD. By default undici closes it, in case the answer has a body. Most requests
 * to a registry are HEAD requests, and a new connection takes longer than such a request. If the answer does have a
 * body, the connection closes all the same. Other HTTP clients ignore the setting.
 *
 * @since 0.1.0
 * @category combinators
 */
export const keepAlive: (within: RequestContext) => RequestContext = undiciOptions.keepAlive
