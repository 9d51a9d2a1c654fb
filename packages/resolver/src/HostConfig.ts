/**
 * Settings of registries: their addresses, their mirrors, and the options of each host.
 *
 * @since 0.1.0
 */
import type * as Credentials from "@effect-oci/auth/Credentials"
import type * as Client from "@effect-oci/client/Client"
import { SyntaxInvalid } from "@effect-oci/core"
import type { RepositoryName } from "@effect-oci/core"
import type * as Union from "@effect-oci/middleware/Union"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"

/**
 * Options for TLS: the trusted certificate authorities, and the client's own certificates. All certificates are in PEM.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tls {
  /** Certificate authorities to trust in addition to the default ones. Default: none. */
  readonly ca?: ReadonlyArray<string> | undefined
  /** The client's certificates, for registries that require one. Default: none. */
  readonly certificates?: ReadonlyArray<{ readonly cert: string; readonly key: Redacted.Redacted }> | undefined
  /**
   * Disables the verification of certificates. An attacker on the network can then read and change everything. Default:
   * `false`.
   */
  readonly skipVerify?: boolean | undefined
}

/**
 * The address and the settings of one host: the registry itself, or a mirror of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoint {
  /** The address of the host: `host[:port]`. */
  readonly host: string
  /** Whether to use plain HTTP. Default: the answer of {@link Config.plainHttp} for the host. */
  readonly insecure?: boolean | undefined
  /** The path that contains the API: `/mirror` if the API is at `/mirror/v2`. Default: none, the API is at `/v2`. */
  readonly path?: string | undefined
  /** The path of the API itself, if the path does not end with `/v2`: `/artifactory/api/docker/remote`. */
  readonly apiPath?: string | undefined
  /** A prefix for all repositories on this host: `team/app` becomes `prefix/team/app`. Default: none. */
  readonly prefix?: RepositoryName.RepositoryName | undefined
  /**
   * The operations that the resolver sends to this host. Default: {@link privateMirror} for mirrors, {@link everything} for
   * the registry itself.
   */
  readonly capabilities?: ReadonlyArray<Union.Capability> | undefined
  /** Headers for every request to this host. They are not sent to any other host. */
  readonly headers?: { readonly [name: string]: string | Redacted.Redacted } | undefined
  readonly tls?: Tls | undefined
  /** The maximum time to open a connection. Only `NodeResolver` uses it. Default: the timeout of the HTTP client. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** Credentials for this host. Default: the `Credentials` of the layer. */
  readonly credentials?: Credentials.Service | undefined
  /** The HTTP client for this host. Default: the `HttpClient` of the layer. */
  readonly client?: HttpClient.HttpClient | undefined
  /**
   * Whether requests contain the query parameter `ns`, with the name of the registry that is mirrored. Default: `true` for
   * mirrors, `false` for the registry itself.
   */
  readonly namespace?: boolean | undefined
  /** More options for the client of this host. */
  readonly options?: Partial<Client.Options & Client.TransportOptions> | undefined
}

/**
 * The settings of one registry: the registry itself, and its mirrors in the order in which the resolver tries them. Blobs,
 * and manifests by digest, come from the first host that has them. A tag is resolved by the first host that has both the
 * tag and the capability `resolve`.
 *
 * @since 0.1.0
 * @category models
 */
export interface HostConfig {
  /** The registry itself. Default for `host`: the address that {@link Config.translate} returns for the registry. */
  readonly origin?: Partial<Endpoint> | undefined
  readonly mirrors?: ReadonlyArray<Endpoint> | undefined
  /** Whether to read from the registry itself if all mirrors fail. `false` does not affect pushes. Default: `true`. */
  readonly originFallback?: boolean | undefined
  /** The reason why this configuration cannot be used. Requests for the registry then fail with `HostUnknown`. */
  readonly problem?: string | undefined
}

/**
 * Options for all registries.
 *
 * @since 0.1.0
 * @category models
 */
export interface Config {
  /** The settings of registries, by the host of a reference: `docker.io`, `localhost:5000`. */
  readonly hosts?: { readonly [host: string]: HostConfig } | undefined
  /** The settings of all other registries. */
  readonly others?: HostConfig | undefined
  /** Returns whether to use plain HTTP for a host. Default: {@link matchLocalhost}. */
  readonly plainHttp?: ((host: string) => boolean) | undefined
  /** Returns the address of a registry. Default: {@link dockerHub}. */
  readonly translate?: ((host: string) => string) | undefined
  /** More options for all clients. */
  readonly options?: Partial<Client.Options & Client.TransportOptions> | undefined
  /**
   * How long the resolver tries a mirror last after the mirror was out of order: unreachable, unavailable, or with wrong
   * content or invalid answers. 0 switches this off. Default: 30 seconds.
   */
  readonly cooldown?: Duration.DurationInput | undefined
}

/**
 * The capabilities of a mirror that is not trusted to resolve tags: it serves only content by digest, which is verified.
 *
 * @since 0.1.0
 * @category capabilities
 */
export const publicMirror: ReadonlyArray<Union.Capability> = ["pull"]

/**
 * The capabilities of a private mirror, which is trusted to resolve tags.
 *
 * @since 0.1.0
 * @category capabilities
 */
export const privateMirror: ReadonlyArray<Union.Capability> = ["pull", "resolve"]

/**
 * All capabilities. The registry itself has them.
 *
 * @since 0.1.0
 * @category capabilities
 */
export const everything: ReadonlyArray<Union.Capability> = ["pull", "resolve", "push", "referrers", "delete"]

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/

/**
 * Returns whether the name of a host is this machine: `localhost`, `127.0.0.0/8` or `[::1]`, with any port.
 *
 * @since 0.1.0
 * @category guards
 */
export const matchLocalhost = (host: string): boolean => loopback.test(host.toLowerCase())

/**
 * Returns `registry-1.docker.io` for Docker Hub, and any other host unchanged.
 *
 * @since 0.1.0
 * @category translators
 */
export const dockerHub = (host: string): string =>
  host === "docker.io" || host === "index.docker.io" ? "registry-1.docker.io" : host

/**
 * Returns the endpoint for a URL: `https://mirror.example.com/path`. Fails with `SyntaxInvalid` if the URL is not valid, or
 * has a user or a query. The error does not contain the user or the query.
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
  const invalid = (reason: string, shown = url) =>
    Either.left(new SyntaxInvalid({ expected: "registry", text: shown, reason }))
  if (!URL.canParse(text)) return invalid("it is not the URL of a host")
  const { hash, host, password, pathname, protocol, search, username } = new URL(text)
  if (username !== "" || password !== "") return invalid("a URL must not contain credentials", host)
  if (protocol !== "https:" && protocol !== "http:") return invalid("its scheme must be https or http")
  if (search !== "" || hash !== "") return invalid("it must not have a query or a fragment", host)
  const path = pathname.replace(/\/+$/, "")
  return Either.right({ host, insecure: protocol === "http:", ...(path === "" ? {} : { path }) })
}
