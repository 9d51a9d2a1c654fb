/**
 * Settings of the registries that references name: their addresses, their mirrors, and the options of each.
 *
 * @since 0.1.0
 */
import type { Credentials } from "@effect-oci/auth"
import type { Client } from "@effect-oci/client"
import { SyntaxInvalid } from "@effect-oci/core"
import type { RepositoryName } from "@effect-oci/core"
import type { Union } from "@effect-oci/middleware"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"

/**
 * Options for TLS: which authorities are trusted, and the client's own certificates. Certificates are PEM.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tls {
  /** Authorities that are trusted in addition to those of the machine. */
  readonly ca?: ReadonlyArray<string> | undefined
  /** The client's certificates, for registries that ask for one. */
  readonly certificates?: ReadonlyArray<{ readonly cert: string; readonly key: Redacted.Redacted }> | undefined
  /** Verifies no certificate: anybody on the way can read and change everything. */
  readonly skipVerify?: boolean | undefined
}

/**
 * The address and the settings of one host: the registry itself, or a mirror of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoint {
  /** `host[:port]`. */
  readonly host: string
  /** Whether to use plain HTTP. Default: the answer of {@link Config.plainHttp} for the host. */
  readonly insecure?: boolean | undefined
  /** The path that the API is below: `/mirror` where it is at `/mirror/v2`. */
  readonly path?: string | undefined
  /** The path of the API itself, for a registry that has no `/v2`: `/artifactory/api/docker/remote`. */
  readonly apiPath?: string | undefined
  /** The prefix of all repositories on this host: `team/app` is `prefix/team/app` there. */
  readonly prefix?: RepositoryName.RepositoryName | undefined
  /**
   * What the resolver may ask of the host. Default: {@link privateMirror} for mirrors, {@link everything} for the registry
   * itself.
   */
  readonly capabilities?: ReadonlyArray<Union.Capability> | undefined
  /** Headers of every request to this host. They are sent to no other host. */
  readonly headers?: { readonly [name: string]: string | Redacted.Redacted } | undefined
  readonly tls?: Tls | undefined
  /** How long a connection may take to open. Only `NodeResolver` heeds it. Default: that of the HTTP client. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** Credentials for this host. Default: the `Credentials` of the layer. */
  readonly credentials?: Credentials.Service | undefined
  /** The HTTP client for this host. Default: the `HttpClient` of the layer. */
  readonly client?: HttpClient.HttpClient | undefined
  /**
   * Whether requests name the registry that is meant, by `ns=` in the query. Default: `true` for mirrors, `false` for the
   * registry itself.
   */
  readonly namespace?: boolean | undefined
  /** Further options of the client for this host. */
  readonly options?: Partial<Client.Options & Client.TransportOptions> | undefined
}

/**
 * The registry itself, and its mirrors in the order in which they are asked. Blobs, and manifests by digest, come from the
 * first host that has them. Tags are resolved by the first host that has them and the capability `resolve`.
 *
 * @since 0.1.0
 * @category models
 */
export interface HostConfig {
  /** The registry itself. Default of `host`: its own address, see {@link Config}. */
  readonly origin?: Partial<Endpoint> | undefined
  readonly mirrors?: ReadonlyArray<Endpoint> | undefined
  /** Whether reads ask the registry itself if no mirror has the content. Pushes go there in any case. Default: `true`. */
  readonly originFallback?: boolean | undefined
  /** Why this configuration cannot be used. The registry then fails with `HostUnknown` when it is first asked for. */
  readonly problem?: string | undefined
}

/**
 * Options for all registries.
 *
 * @since 0.1.0
 * @category models
 */
export interface Config {
  /** Registries by the host of a reference: `docker.io`, `localhost:5000`. */
  readonly hosts?: { readonly [host: string]: HostConfig } | undefined
  /** All other registries. */
  readonly others?: HostConfig | undefined
  /** Whether a host is reached by plain HTTP. Default: {@link matchLocalhost}. */
  readonly plainHttp?: ((host: string) => boolean) | undefined
  /** Returns the address of a registry. Default: {@link dockerHub}. */
  readonly translate?: ((host: string) => string) | undefined
  /** Further options of all clients. */
  readonly options?: Partial<Client.Options & Client.TransportOptions> | undefined
  /**
   * How long a mirror is asked last after it was out of order: not reached, unavailable, or wrong in its content or its
   * answers. 0 switches it off. Default: 30 seconds.
   */
  readonly cooldown?: Duration.DurationInput | undefined
}

/**
 * The capabilities of a mirror that is not trusted with tags: it serves content by digest, which is verified.
 *
 * @since 0.1.0
 * @category capabilities
 */
export const publicMirror: ReadonlyArray<Union.Capability> = ["pull"]

/**
 * The capabilities of a private mirror, which is trusted with tags.
 *
 * @since 0.1.0
 * @category capabilities
 */
export const privateMirror: ReadonlyArray<Union.Capability> = ["pull", "resolve"]

/**
 * All capabilities, as the registry itself has them.
 *
 * @since 0.1.0
 * @category capabilities
 */
export const everything: ReadonlyArray<Union.Capability> = ["pull", "resolve", "push", "referrers", "delete"]

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/

/**
 * Returns whether a host is this machine by its name: `localhost`, `127.0.0.0/8` or `[::1]`, with any port.
 *
 * @since 0.1.0
 * @category guards
 */
export const matchLocalhost = (host: string): boolean => loopback.test(host.toLowerCase())

/**
 * Returns `registry-1.docker.io` for Docker Hub, and any other host as it is.
 *
 * @since 0.1.0
 * @category translators
 */
export const dockerHub = (host: string): string =>
  host === "docker.io" || host === "index.docker.io" ? "registry-1.docker.io" : host

/**
 * Returns the endpoint of a URL: `https://mirror.example.com/path`. Fails with `SyntaxInvalid` if the URL has a user or a
 * query, without repeating them.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { HostConfig } from "@effect-oci/resolver"
 * import { Either } from "effect"
 *
 * const hub = Either.map(HostConfig.fromUrl("https://mirror.example.com"), (mirror): HostConfig.Config => ({
 *   hosts: { "docker.io": { mirrors: [{ ...mirror, capabilities: HostConfig.publicMirror }] } }
 * }))
 * ```
 */
export const fromUrl = (url: string): Either.Either<Endpoint, SyntaxInvalid> => {
  const text = /^[a-z]+:\/\//i.test(url) ? url : `https://${url}`
  const refused = (reason: string, shown = url) =>
    Either.left(new SyntaxInvalid({ expected: "registry", text: shown, reason }))
  if (!URL.canParse(text)) return refused("it is no URL of a host")
  const { hash, host, password, pathname, protocol, search, username } = new URL(text)
  if (username !== "" || password !== "") return refused("credentials do not belong into a URL", host)
  if (protocol !== "https:" && protocol !== "http:") return refused("it is neither https nor http")
  if (search !== "" || hash !== "") return refused("it has a query", host)
  const path = pathname.replace(/\/+$/, "")
  return Either.right({ host, insecure: protocol === "http:", ...(path === "" ? {} : { path }) })
}
