import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as proxyRules from "./proxyRules.js"

/** Options for proxies. Default of each: the variable of the configuration. */
export interface Options {
  readonly httpProxy?: Redacted.Redacted | undefined
  readonly httpsProxy?: Redacted.Redacted | undefined
  readonly noProxy?: string | undefined
}

/** Selects the proxy of a request: `undefined` for none. */
export type Select = (url: URL) => Either.Either<proxyRules.Proxy | undefined, RegistryError.Refused>

/** Reads a variable. The upper-case name takes precedence. An empty variable counts as absent. */
const variable = (name: string): Effect.Effect<string, ConfigError.ConfigError> => {
  const read = (name: string) =>
    Config.redacted(name).pipe(Config.map((value) => Redacted.value(value).trim()), Config.withDefault(""))
  return Effect.flatMap(read(name), (value) => value === "" ? read(name.toLowerCase()) : Effect.succeed(value))
}

/** Parses the proxy of an option or a variable. The error does not repeat the text, which may contain a password. */
const proxy = (
  name: string,
  option: Redacted.Redacted | undefined
): Effect.Effect<proxyRules.Proxy | undefined, ConfigError.ConfigError> =>
  Effect.flatMap(option === undefined ? variable(name) : Effect.succeed(Redacted.value(option).trim()), (text) => {
    if (text === "") return Effect.succeed(undefined)
    const parsed = proxyRules.parse(text)
    return parsed !== undefined ? Effect.succeed(parsed) : Effect.fail(
      ConfigError.InvalidData(
        [name],
        `expected ${name} to be the URL of a proxy, such as http://proxy.example.com:3128`
      )
    )
  })

/** In a CGI program, `HTTP_PROXY` is a header of the request that the program serves. */
const unsafe = new RegistryError.Refused({
  by: "NodeProxy",
  reason: "HTTP_PROXY is not used by a program that serves CGI requests (REQUEST_METHOD is set): " +
    "set the option httpProxy instead"
})

/** Reads the proxies of the options and of the configuration. */
export const make = (options?: Options): Effect.Effect<Select, ConfigError.ConfigError> =>
  Effect.gen(function*() {
    const http = yield* proxy("HTTP_PROXY", options?.httpProxy)
    const https = yield* proxy("HTTPS_PROXY", options?.httpsProxy)
    const noProxy = options?.noProxy ?? (yield* variable("NO_PROXY"))
    const isCgi = options?.httpProxy === undefined && (yield* variable("REQUEST_METHOD")) !== ""
    const select = proxyRules.make({ http, https, noProxy })
    return (url) => {
      const proxy = select(url)
      return isCgi && proxy !== undefined && proxy === http ? Either.left(unsafe) : Either.right(proxy)
    }
  })
