import * as Option from "effect/Option"
import { authority, parse } from "../Origin.js"
import type { Origin } from "../Origin.js"

/** What Docker Hub is called, of which all are one. */
const dockerHub = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"])

const parts = /^(\[[^\]]*\]|[^:/@?#\\]*)(?::(\d{1,5}))?(\/.*)?$/

/**
 * The one spelling of a key of a credential file: `host[:port][/path]`. One that is written as a URL counts as its
 * host, and so does one with the API's path. `undefined` for what is no host.
 */
export const normalise = (key: string): string | undefined => {
  const bare = key.replace(/^https?:\/\//i, "")
  const [, name = "", port, path = ""] = parts.exec(bare) ?? []
  const host = Option.getOrUndefined(parse(`https://${name}`))?.host
  if (host === undefined) return undefined
  const hub = dockerHub.has(host) && (port === undefined || port === "443")
  const segments = path.split("/").filter((segment) => segment !== "")
  const isApi = segments.length === 1 && (segments[0] === "v1" || segments[0] === "v2")
  return [
    hub ? "docker.io" : port === undefined ? host : `${host}:${Number(port)}`,
    ...(bare.length < key.length || isApi ? [] : segments)
  ].join("/")
}

/** The keys that speak of a host. */
const hostKeys = (origin: Origin): ReadonlyArray<string> =>
  dockerHub.has(authority(origin)) ? ["docker.io"] : [...new Set([authority(origin), `${origin.host}:${origin.port}`])]

/** The keys that speak of a repository, the nearest first: its own, then each path above it, then the host. */
export const candidates = (origin: Origin, repository: string | undefined): ReadonlyArray<string> => {
  const hosts = hostKeys(origin)
  const segments = repository === undefined ? [] : repository.split("/")
  const paths = segments.map((_, index) => `/${segments.slice(0, segments.length - index).join("/")}`)
  return [...paths, ""].flatMap((path) => hosts.map((host) => `${host}${path}`))
}

/** What credential helpers know a host by. */
export const helperKey = (origin: Origin): string =>
  dockerHub.has(authority(origin)) ? "https://index.docker.io/v1/" : authority(origin)
