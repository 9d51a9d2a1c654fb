/**
 * How the registries are reached that references name: where they are, which mirrors they have, and how each is asked.
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
 * Who is believed to be a registry over TLS, and who we are there. Certificates are PEM.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tls {
  /** Authorities that are trusted besides those of the machine. */
  readonly ca?: ReadonlyArray<string> | undefined
  /** The client's certificates, for registries that ask for one. */
  readonly certificates?: ReadonlyArray<{ readonly cert: string; readonly key: Redacted.Redacted }> | undefined
  /** Believes everybody, which shows everything to anybody on the way. */
  readonly skipVerify?: boolean | undefined
}

/**
 * One place that a registry is asked at: the registry itself or a mirror of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoint {
  /** `host[:port]`. */
  readonly host: string
  /** Plain HTTP. By {@link Config.plainHttp} of the host unless said. */
  readonly insecure?: boolean | undefined
  /** The path that the API is below: `/mirror` where it is at `/mirror/v2`. */
  readonly path?: string | undefined
  /** The path of the API itself, for a registry that has no `/v2`: `/artifactory/api/docker/remote`. */
  readonly apiPath?: string | undefined
  /** What the repositories lie below there: `team/app` is `prefix/team/app`. */
  readonly prefix?: RepositoryName.RepositoryName | undefined
  /** What it may be asked: {@link privateMirror} unless said, or everything where it is the registry itself. */
  readonly capabilities?: ReadonlyArray<Union.Capability> | undefined
  /** Sent with every request there, and to no other place. */
  readonly headers?: { readonly [name: string]: string | Redacted.Redacted } | undefined
  readonly tls?: Tls | undefined
  /** How long a connection may take to open. Only `NodeResolver` heeds it. Default: that of the HTTP client. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** Its own, in place of those that are provided to all: a mirror's are not those of the registry that it mirrors. */
  readonly credentials?: Credentials.Service | undefined
  /** Its own, in place of the one that is provided to all. */
  readonly client?: HttpClient.HttpClient | undefined
  /**
   * Whether requests name the registry that is meant, by `ns=` in the query. Default: `true` for mirrors, `false` for the
   * registry itself.
   */
  readonly namespace?: boolean | undefined
  /** How it is asked, besides. */
  readonly options?: Partial<Client.Options & Client.TransportOptions> | undefined
}

/**
 * A registry: the place of its own, and its mirrors, in the order in which they are asked. Blobs, and manifests by their
 * digest, come from the first that has them; tags from the first that may resolve them; the rest is the registry's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface HostConfig {
  /** The registry itself. Default of `host`: its own address, see {@link Config}. */
  readonly origin?: Partial<Endpoint> | undefined
  readonly mirrors?: ReadonlyArray<Endpoint> | undefined
  /** Whether the registry itself is asked what no mirror has: it is unless said. Pushes go there in any case. */
  readonly originFallback?: boolean | undefined
  /** Why this configuration cannot be used. The registry then fails with `HostUnknown` when it is first asked for. */
  readonly problem?: string | undefined
}

/**
 * How all registries are reached.
 *
 * @since 0.1.0
 * @category models
 */
export interface Config {
  /** By the name that references have: `docker.io`, `localhost:5000`. */
  readonly hosts?: { readonly [host: string]: HostConfig } | undefined
  /** The rest. */
  readonly others?: HostConfig | undefined
  /** Which hosts are spoken to without TLS: {@link matchLocalhost} unless said. */
  readonly plainHttp?: ((host: string) => boolean) | undefined
  /** Where a registry is that is elsewhere than at its name: {@link dockerHub} unless said. */
  readonly translate?: ((host: string) => string) | undefined
  /** How each is asked, besides. */
  readonly options?: Partial<Client.Options & Client.TransportOptions> | undefined
  /**
   * How long a mirror is asked last after it was out of order: not reached, unavailable, or wrong in its content or its
   * answers. 0 switches it off. Default: 30 seconds.
   */
  readonly cooldown?: Duration.DurationInput | undefined
}

/**
 * What a mirror may be asked whose word is not to be taken for tags: content by its digest, which is checked.
 *
 * @since 0.1.0
 * @category capabilities
 */
export const publicMirror: ReadonlyArray<Union.Capability> = ["pull"]

/**
 * What a mirror of one's own may be asked.
 *
 * @since 0.1.0
 * @category capabilities
 */
export const privateMirror: ReadonlyArray<Union.Capability> = ["pull", "resolve"]

/**
 * Everything, as of the registry itself.
 *
 * @since 0.1.0
 * @category capabilities
 */
export const everything: ReadonlyArray<Union.Capability> = ["pull", "resolve", "push", "referrers", "delete"]

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/

/**
 * Whether a host is this machine by its name: `localhost`, `127.0.0.0/8` or `[::1]`, with any port.
 *
 * @since 0.1.0
 * @category guards
 */
export const matchLocalhost = (host: string): boolean => loopback.test(host.toLowerCase())

/**
 * Docker Hub is not where its name says.
 *
 * @since 0.1.0
 * @category translators
 */
export const dockerHub = (host: string): string =>
  host === "docker.io" || host === "index.docker.io" ? "registry-1.docker.io" : host

/**
 * An endpoint from its URL: `https://mirror.example.com/path`. A user or a query is refused, without repeating it.
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
