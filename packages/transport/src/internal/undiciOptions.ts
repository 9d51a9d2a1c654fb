import * as Context from "effect/Context"
import * as RequestContext from "../RequestContext.js"

/** Settings of a request for undici, or for a dispatcher in front of it. */
export interface Settings {
  /** Whether to close the connection of a HEAD. */
  readonly reset?: boolean
  /** Whether the host may be at a private address. {@link ../NodeAddressGuard} uses it. */
  readonly mayBePrivate?: boolean
}

/**
 * The settings that the client over undici takes from the context. The tag is declared here because
 * `@effect/platform-node` is not available on every platform.
 */
class UndiciOptions extends Context.Tag("@effect/platform-node/NodeHttpClient/undiciOptions")<
  UndiciOptions,
  Settings
>() {}

/** Reads the settings of a context. */
export const read = (context: Context.Context<never>): Settings | undefined =>
  context.unsafeMap.get(UndiciOptions.key) as Settings | undefined

/** Returns a function that adds settings to those of the context of a request. Most requests have the same settings. */
export const add = (added: Settings) => {
  let last: { readonly before: Settings | undefined; readonly after: Settings } | undefined
  return (within: RequestContext.RequestContext): RequestContext.RequestContext => {
    const before = RequestContext.get(within, UndiciOptions)
    if (last === undefined || last.before !== before) last = { before, after: { ...before, ...added } }
    return RequestContext.add(within, UndiciOptions, last.after)
  }
}

/** Keeps the connection of a HEAD, unless the settings of the context say otherwise. */
export const keepAlive = (within: RequestContext.RequestContext): RequestContext.RequestContext =>
  RequestContext.get(within, UndiciOptions)?.reset === undefined ? keep(within) : within

const keep = add({ reset: false })
