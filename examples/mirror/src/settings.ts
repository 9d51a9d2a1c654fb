/** The settings of the mirror: environment variables. The README describes them. */
import { Credentials } from "@effect-oci/auth"
import { Client } from "@effect-oci/client"
import { Reference, ReferenceSet, Registry, RepositoryName } from "@effect-oci/core"
import { Under } from "@effect-oci/middleware"
import { Config, ConfigError, Duration, Effect, Either, flow, Layer, Option } from "effect"

/** Parses an entry of `UPSTREAMS` into a member of the route. Errors do not contain the URL, which may have a password. */
const upstream = (text: string, index: number) =>
  Either.try({
    try: () => {
      const at = text.indexOf("=")
      const place = at < 0 ? undefined : text.slice(0, at).trim()
      const url = text.slice(at + 1).trim()
      if (!/^https?:[/][/]/.test(url) || !URL.canParse(url)) throw new Error("it is not an https:// or http:// URL")
      const { hash, host, password, pathname: path, protocol, search, username } = new URL(url)
      if (username + password + search + hash !== "") throw new Error("its URL has a user, a query or a fragment")
      /** Only the host in `CALLERS` gets the credentials of callers. */
      const client = (callers: string | undefined) =>
        Layer.effect(
          Registry,
          Effect.mapError(
            Client.make({ host, path, insecure: protocol === "http:" }),
            ({ message }) => invalid(index, message)
          )
        ).pipe(Layer.provide(callers === host ? Credentials.layerCaller({ host }) : Credentials.layerAnonymous))
      if (place === undefined || !isHost(place)) {
        const select = place === undefined ? ReferenceSet.all : ReferenceSet.prefix(place)
        return { host, select, client, namespace: undefined }
      }
      const namespace = namespaceOf(place)
      const select = ReferenceSet.prefix(`${namespace.prefix}/`)
      return { host, select, client: flow(client, Under.wrap(namespace)), namespace }
    },
    catch: (error) => invalid(index, (error as Error).message)
  })

const isHost = (text: string): boolean => !text.endsWith("/") && /[.:]|^localhost$/i.test(text)

/** Returns the host that clients send as `ns`, and the prefix of its repositories in the mirror. */
const namespaceOf = (text: string) => {
  const { registry: host } = Reference.make({ registry: text, repository: RepositoryName.make("any") })
  return { host, prefix: RepositoryName.make(host.replace(":", "_")) }
}

const invalid = (index: number, reason: string) =>
  ConfigError.InvalidData(["UPSTREAMS"], `entry ${index + 1}: ${reason}; write host=url, prefix/=url or url`)

const atLeastOne = (name: string, defaultValue: number) =>
  Config.integer(name).pipe(
    Config.validate({ message: "it must be 1 or more", validation: (value) => value > 0 }),
    Config.withDefault(defaultValue)
  )

const list = (name: string) =>
  Config.string(name).pipe(
    Config.withDefault(""),
    Config.map((text) => text.split(",").map((item) => item.trim()).filter((item) => item !== ""))
  )

const repositories = (name: string) =>
  Config.mapOrFail(
    list(name),
    (names) =>
      Either.mapLeft(Either.all(names.map(RepositoryName.parse)), ({ message }) =>
        ConfigError.InvalidData([name], message))
  )

const variables = Config.all({
  host: Config.string("HOST").pipe(Config.withDefault("127.0.0.1")),
  port: Config.integer("PORT").pipe(
    Config.validate({ message: "it must be 0 to 65535", validation: (port) => port >= 0 && port <= 65_535 }),
    Config.withDefault(5000)
  ),
  upstreams: Config.string("UPSTREAMS").pipe(
    Config.withDefault("dotnet/=https://mcr.microsoft.com,https://registry.k8s.io"),
    Config.mapOrFail((list) => Either.all(list.split(",").map(upstream)))
  ),
  defaultHost: Config.option(Config.string("DEFAULT")),
  callers: Config.option(Config.string("CALLERS")),
  directory: Config.string("DATA").pipe(Config.withDefault("data")),
  cacheMiB: atLeastOne("CACHE_MIB", 1024),
  downloads: atLeastOne("DOWNLOADS", 32),
  tagTimeToLive: Config.duration("TAG_TTL").pipe(Config.withDefault(Duration.minutes(5))),
  staleIfError: Config.option(Config.duration("STALE_IF_ERROR")),
  minAge: Config.duration("MIN_AGE").pipe(Config.withDefault(Duration.zero)),
  trusted: Config.mapOrFail(list("TRUSTED"), (prefixes) =>
    Either.try({
      try: () => ReferenceSet.prefix(...prefixes),
      catch: (error) => ConfigError.InvalidData(["TRUSTED"], (error as Error).message)
    })),
  watched: repositories("WATCH")
})

/** The settings of the mirror. */
export const settings = Config.mapOrFail(variables, ({ callers, defaultHost, upstreams, ...rest }) => {
  const prefixes = Object.fromEntries(
    upstreams.flatMap(({ namespace }) => namespace === undefined ? [] : [[namespace.host, namespace.prefix]])
  )
  const byDefault = Option.getOrUndefined(defaultHost)
  if (byDefault !== undefined && !Object.hasOwn(prefixes, byDefault)) {
    const reason = "it is not a host of UPSTREAMS; write a host=url entry for it"
    return Either.left(ConfigError.InvalidData(["DEFAULT"], reason))
  }
  const host = Option.getOrUndefined(callers)
  if (host !== undefined && !upstreams.some((upstream) => upstream.host === host)) {
    return Either.left(ConfigError.InvalidData(["CALLERS"], "it is not the host of a URL in UPSTREAMS"))
  }
  const members = upstreams.map(({ client, host: name, select }) => ({ name, select, registry: client(host) }))
  return Either.right({ ...rest, members, callers: host, namespaces: { prefixes, default: byDefault } })
})

/** What the settings contain. */
export type Settings = Config.Config.Success<typeof settings>
