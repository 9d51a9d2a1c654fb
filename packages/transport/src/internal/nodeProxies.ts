import * as RegistryError from "@effect-oci/core/RegistryError"
// Bun does not support all of undici: `Socks5ProxyAgent` is missing. A named import would fail there.
import undici, { Agent, buildConnector, DecoratorHandler, Dispatcher, Pool } from "@effect/platform-node/Undici"
import * as Redacted from "effect/Redacted"
import { ProxyAnswer, ProxyError } from "./proxyError.js"
import type { Proxy } from "./proxyRules.js"

/** Settings for connections. */
export interface Settings {
  /** Settings for connections to the proxy. */
  readonly proxy: buildConnector.BuildOptions
  /** Settings for connections to the target within a tunnel. */
  readonly target: buildConnector.BuildOptions
}

/** How long a proxy may take to open a tunnel, in milliseconds. */
const tunnelTimeout = 30_000

const refused = (proxy: Proxy, status: number, target: string): RegistryError.Refused =>
  new RegistryError.Refused({
    by: "NodeProxy",
    reason: status !== 407
      ? `the proxy ${proxy.name} does not connect to ${target}: it answered ${status}; ` +
        "allow the host at the proxy, or add it to NO_PROXY"
      : proxy.login === undefined
      ? `the proxy ${proxy.name} wants a login for ${target} (407): ` +
        `set it in the proxy's URL, as in http://USER:PASSWORD@${proxy.name}`
      : `the proxy ${proxy.name} refuses the user name and the password of its URL for ${target} (407)`
  })

const named = (proxy: Proxy, error: Error): Error =>
  error instanceof ProxyError || RegistryError.isRegistryError(error) ? error : new ProxyError(proxy.name, true, error)

const authorizationOf = ({ login }: Proxy): { readonly "proxy-authorization"?: string } =>
  login === undefined ? {} : { "proxy-authorization": Redacted.value(login.authorization) }

/** Connects to the proxy itself. */
const reach = (proxy: Proxy, settings: buildConnector.BuildOptions): buildConnector.connector => {
  const connect = buildConnector(settings)
  return (target, callback) =>
    connect(
      target,
      (...[error, socket]) =>
        error === null ? callback(null, socket) : callback(new ProxyError(proxy.name, false, error), null)
    )
}

/** Connects to a target through a tunnel of the proxy (RFC 9110, section 9.3.6). */
const tunnel = (proxy: Proxy, settings: Settings, pool: Pool): buildConnector.connector => {
  const secure = buildConnector(settings.target)
  return (target, callback) => {
    const authority = `${target.hostname}:${target.port === "" ? "443" : target.port}`
    const fail = (error: Error) => callback(named(proxy, error), null)
    pool.connect({ path: authority, headers: { host: authority, ...authorizationOf(proxy) } }, (error, answer) => {
      if (error !== null) return fail(error)
      const { socket, statusCode } = answer
      if (statusCode >= 200 && statusCode < 300) {
        return secure(
          { ...target, httpSocket: socket as never },
          (...[error, socket]) => error === null ? callback(null, socket) : fail(error)
        )
      }
      socket.on("error", () => {}).destroy()
      fail(
        statusCode < 500
          ? refused(proxy, statusCode, authority)
          : new ProxyError(proxy.name, true, new ProxyAnswer(statusCode, true))
      )
    })
  }
}

/** The methods of the class that undici's types omit. */
interface Decorated {
  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: { readonly [name: string]: unknown },
    ...rest: Array<never>
  ): void
  onResponseError(controller: Dispatcher.DispatchController, error: Error): void
}

const Decorator = DecoratorHandler as new(handler: Dispatcher.DispatchHandler) => Decorated

/** Wraps a handler so that its errors name the proxy. */
class Naming extends Decorator {
  constructor(protected readonly proxy: Proxy, handler: Dispatcher.DispatchHandler) {
    super(handler)
  }

  override onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    super.onResponseError(controller, named(this.proxy, error))
  }
}

/**
 * Wraps the handler of a request without a tunnel. The proxy may answer such a request itself: with 407, or with the
 * status of a gateway that cannot reach the registry. An answer with JSON or with a `Retry-After` is from the registry.
 */
class Forwarded extends Naming {
  constructor(proxy: Proxy, private readonly target: string, handler: Dispatcher.DispatchHandler) {
    super(proxy, handler)
  }

  override onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: { readonly [name: string]: unknown },
    ...rest: Array<never>
  ): void {
    const isProxys = gatewayStatuses.has(status) && headers["retry-after"] === undefined &&
      !String(headers["content-type"]).includes("json")
    if (status === 407) controller.abort(refused(this.proxy, status, this.target))
    else if (isProxys) controller.abort(new ProxyAnswer(status, false))
    else super.onResponseStart(controller, status, headers, ...rest)
  }
}

const gatewayStatuses = new Set([502, 503, 504])

const withHeaders = (
  headers: Dispatcher.DispatchOptions["headers"],
  added: { readonly [name: string]: string }
): Record<string, string | Array<string>> | Array<string> =>
  Array.isArray(headers)
    ? [...headers, ...Object.entries(added).flat()]
    : { ...headers as Record<string, string>, ...added }

/** Sends requests through an HTTP proxy: over http with the absolute URL, over https through a tunnel. */
class HttpProxy extends Dispatcher {
  private readonly forwarding: Pool
  private readonly connecting: Pool
  private readonly tunnels: Agent

  constructor(private readonly proxy: Proxy, settings: Settings) {
    super()
    const { origin } = proxy.url
    const connect = reach(proxy, settings.proxy)
    this.forwarding = new Pool(origin, { connect })
    this.connecting = new Pool(origin, { connect, headersTimeout: tunnelTimeout })
    this.tunnels = new Agent({ connect: tunnel(proxy, settings, this.connecting) })
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const target = new URL(String(options.origin))
    return target.protocol === "https:"
      ? this.tunnels.dispatch(options, new Naming(this.proxy, handler))
      : this.forward(target, options, handler)
  }

  /** Sends a request with its absolute URL (RFC 9112, section 3.2.2). Only the proxy answers 407. */
  private forward(target: URL, options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { proxy } = this
    return this.forwarding.dispatch({
      ...options,
      origin: proxy.url.origin,
      path: `${target.origin}${options.path}`,
      headers: withHeaders(options.headers, { host: target.host, ...authorizationOf(proxy) })
    }, new Forwarded(proxy, target.host, handler))
  }

  override async destroy(): Promise<void> {
    await Promise.all([this.forwarding, this.tunnels, this.connecting].map((dispatcher) => dispatcher.destroy()))
  }
}

/** Sends requests through a SOCKS5 proxy, which resolves the names of hosts. */
class SocksProxy extends Dispatcher {
  private readonly agent: Dispatcher

  constructor(private readonly proxy: Proxy, settings: Settings) {
    super()
    const { login, url } = proxy
    const options = {
      connect: reach(proxy, settings.proxy),
      requestTls: settings.target,
      ...(login === undefined ? {} : { username: login.username, password: Redacted.value(login.password) })
    }
    this.agent = new undici.Socks5ProxyAgent(url.href.replace(/^socks5h:/, "socks5:"), options)
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.agent.dispatch(options, new Naming(this.proxy, handler))
  }

  override async destroy(): Promise<void> {
    await this.agent.destroy()
  }
}

/** Creates a dispatcher that sends every request through a proxy. */
export const make = (proxy: Proxy, settings: Settings): Dispatcher =>
  proxy.url.protocol.startsWith("socks") ? new SocksProxy(proxy, settings) : new HttpProxy(proxy, settings)
