import { authority, parse } from "@effect-oci/transport/Origin"
import type { Origin } from "@effect-oci/transport/Origin"

/** The names of Docker Hub. They are equivalent. */
const dockerHub = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"])

const parts = /^(\[[^\]]*\]|[^:/@?#\\]*)(?::(\d{1,5}))?(\/.*)?$/

/**
 * Returns the normalised spelling of a key of a credential file: `host[:port][/path]`. A key that is a URL, or whose
 * path is that of the API, is reduced to its host. Returns `undefined` if the key does not begin with a host.
 */
export const normalise = (key: string): string | undefined => {
  const bare = key.replace(/^https?:\/\//i, "")
  const [, name = "", port, path = ""] = parts.exec(bare) ?? []
  const host = parse(`https://${name}`)?.host
  if (host === undefined) return undefined
  const hub = dockerHub.has(host) && (port === undefined || port === "443")
  const segments = path.split("/").filter((segment) => segment !== "")
  const isApi = segments.length === 1 && (segments[0] === "v1" || segments[0] === "v2")
  return [
    hub ? "docker.io" : port === undefined ? host : `${host}:${Number(port)}`,
    ...(bare.length < key.length || isApi ? [] : segments)
  ].join("/")
}

/** Returns the keys that match a host. */
const hostKeys = (origin: Origin): ReadonlyArray<string> =>
  dockerHub.has(authority(origin)) ? ["docker.io"] : [...new Set([authority(origin), `${origin.host}:${origin.port}`])]

/**
 * Returns the keys that match a repository, the nearest first: the repository, then each path above it, then the host.
 */
export const candidates = (origin: Origin, repository: string | undefined): ReadonlyArray<string> => {
  const hosts = hostKeys(origin)
  const segments = repository === undefined ? [] : repository.split("/")
  const paths = segments.map((_, index) => `/${segments.slice(0, segments.length - index).join("/")}`)
  return [...paths, ""].flatMap((path) => hosts.map((host) => `${host}${path}`))
}

/** Returns the key by which credential helpers store a host. */
export const helperKey = (origin: Origin): string =>
  dockerHub.has(authority(origin)) ? "https://index.docker.io/v1/" : authority(origin)
