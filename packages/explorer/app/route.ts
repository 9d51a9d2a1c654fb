/** The address of a view, as the fragment of the URL: `#/team/app:v1`, or `#https://registry.example.com/team/app`. */
import type { Digest } from "@effect-oci/core/Digest"
import * as Reference from "@effect-oci/core/Reference"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import * as Either from "effect/Either"

export interface Place {
  /** The origin of the registry. */
  readonly registry: string
  readonly repository?: RepositoryName | undefined
  readonly tag?: Tag | undefined
  readonly digest?: Digest | undefined
  /** What the view shows of the manifest: `layer`, `path` and `file`, or `compare`. */
  readonly query?: Query | undefined
}

export interface Query {
  readonly [name: string]: string
}

/** Returns the host of an origin as references contain it: with a port if the name alone is not a host. */
export const hostOf = (origin: string): string => {
  const { host, hostname, port, protocol } = new URL(origin)
  return port !== "" || hostname.includes(".") || hostname === "localhost"
    ? host
    : `${host}:${protocol === "https:" ? 443 : 80}`
}

/** Parses the fragment of a URL. Fails with the reason if the fragment is not an address of a view. */
export const parse = (fragment: string, home: string): Either.Either<Place, string> => {
  const text = fragment.replace(/^#/, "").replace(/^\/+/, "")
  const mark = text.indexOf("?")
  const path = mark < 0 ? text : text.slice(0, mark)
  const query = mark < 0 ? undefined : Object.fromEntries(new URLSearchParams(text.slice(mark + 1)))
  const [, origin, rest = path] = /^(https?:\/\/[^/]+)\/*(.*)$/s.exec(path) ?? []
  const registry = origin === undefined ? home : originOf(origin)
  if (registry === undefined) return Either.left(`${origin} is not the address of a registry`)
  if (rest === "") return Either.right({ registry, query })
  return Either.mapBoth(Reference.parse(`${hostOf(registry)}/${rest}`), {
    onLeft: (error) => error.message,
    onRight: ({ digest, repository, tag }) => ({ registry, repository, tag, digest, query })
  })
}

const originOf = (text: string): string | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url?.username === "" ? url.origin : undefined
}

/** Returns the fragment of a view. */
export const format = ({ digest, query = {}, registry, repository, tag }: Place, home: string): string => {
  const name = repository ?? ""
  const reference = `${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`
  const search = new URLSearchParams(query).toString()
  return `#${registry === home ? "" : registry}/${name}${reference}${search === "" ? "" : `?${search}`}`
}

/**
 * Reads what a user typed to open something: `team/app:v1`, `registry.example.com/team/app`, `https://registry.example.com`
 * or `localhost:5000`. A text without a host is a reference of the registry `current`.
 */
export const open = (typed: string, current: string, home: string): Either.Either<Place, string> => {
  const text = typed.trim()
  if (/^https?:\/\//.test(text)) return parse(`#${text}`, home)
  const [first = "", ...rest] = text.split("/")
  const isHost = first === "localhost" ||
    (/[.:]/.test(first) && (rest.length > 0 || /^(?:localhost|[\d.]+|\[.*\]):\d+$/.test(first)))
  if (isHost) return parse(`#${schemeOf(first)}://${text}`, home)
  return Either.map(parse(`#/${text}`, current), (place) => ({ ...place, registry: current }))
}

/** A browser connects to another host by https only, except to this machine. */
const schemeOf = (host: string): string =>
  /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/.test(host) ? "http" : "https"
