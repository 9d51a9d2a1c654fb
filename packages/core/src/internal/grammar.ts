/**
 * The grammars of the distribution spec, the image spec and Docker's references, in one place. Each expression is
 * linear, anchored, and is only run on a text whose length was checked first. `$` without the `m` flag matches only at
 * the very end here.
 */
import * as Either from "effect/Either"

/** Spec, "Pulling manifests": `<name>`. */
const name = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/

/** Spec, "Pulling manifests": `<reference>` as a tag. */
const tag = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** A tag in which `*` stands for any characters, or none. */
const glob = /^[a-zA-Z0-9_*][a-zA-Z0-9._*-]*$/

/** Image spec, "Digests": `algorithm`. */
const algorithm = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*$/

/** Image spec, "Digests": `encoded`. */
const encoded = /^[a-zA-Z0-9=_-]+$/

const lowerHex = /^[0-9a-f]+$/

/** distribution/reference, `domain-component`: upper case is taken here and folded afterwards. */
const label = /^[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*$/

/** distribution/reference, `ipv6address`: no zone, no IPv4 at the end. */
const ipv6 = /^\[[a-fA-F0-9:]+\]$/

const port = /^[1-9][0-9]{0,4}$/

export const maxNameLength = 255
export const maxTagLength = 128
/** Not in the spec: longer than any registered algorithm needs, short enough for a URL. */
export const maxDigestLength = 512
/** A domain name's 253 characters, and a port. */
const maxHostLength = 259
const maxReferenceLength = maxHostLength + 1 + maxNameLength + 1 + maxTagLength + 1 + maxDigestLength

/** The digits of the registered algorithms: any other count is an error. */
const hexLength: { readonly [algorithm: string]: number } = {
  __proto__: null as never,
  sha256: 64,
  sha512: 128,
  blake3: 64
}

/** Why `text` is no repository name, or `undefined` if it is one. */
export const nameProblem = (text: string): string | undefined => {
  if (text.length === 0) return "it is empty"
  if (text.length > maxNameLength) return `it is longer than ${maxNameLength} characters`
  if (name.test(text)) return undefined
  return text.split("/").includes("")
    ? "a component between slashes is empty"
    : "components are lower-case letters and digits, separated by one '.', one or two '_', or dashes"
}

/** Why `text` is no tag, or `undefined` if it is one. */
export const tagProblem = (text: string): string | undefined => {
  if (text.length === 0) return "it is empty"
  if (text.length > maxTagLength) return `it is longer than ${maxTagLength} characters`
  if (!tag.test(text)) return "a tag is letters, digits, '_', '.' and '-', and starts with none of '.' and '-'"
  return undefined
}

/** Why `text` is no start of the names below one, such as `team/`, or `undefined` if it is one. */
export const prefixProblem = (text: string): string | undefined => {
  if (!text.endsWith("/")) return "it does not end with a slash, and so would take in names that only start alike"
  if (text.length >= maxNameLength) return `no name of at most ${maxNameLength} characters is below it`
  return nameProblem(text.slice(0, -1))
}

/** Why `text` is no glob of tags, or `undefined` if it is one. */
export const globProblem = (text: string): string | undefined => {
  if (text.length === 0) return "it is empty"
  if (text.length > maxTagLength) return `it is longer than ${maxTagLength} characters`
  if (!glob.test(text)) return "a glob is the characters of a tag and '*', and starts with none of '.' and '-'"
  return undefined
}

/** Why `text` is no digest, or `undefined` if it is one. */
export const digestProblem = (text: string): string | undefined => {
  if (text.length > maxDigestLength) return `it is longer than ${maxDigestLength} characters`
  const colon = text.indexOf(":")
  if (colon < 0) return "a digest is written algorithm:encoded"
  const name = text.slice(0, colon)
  const value = text.slice(colon + 1)
  if (!algorithm.test(name)) return "the algorithm before ':' is not one"
  const digits = hexLength[name]
  if (digits !== undefined) {
    return value.length === digits && lowerHex.test(value)
      ? undefined
      : `${name} is followed by ${digits} lower-case hexadecimal digits`
  }
  return encoded.test(value) ? undefined : "the part after ':' has other characters than letters, digits, '=', '_', '-'"
}

/** The one spelling that a URL gives a host without port, or `undefined` where it takes none. */
const urlHost = (name: string): string | undefined => {
  const url = `http://${name}`
  return URL.canParse(url) ? new URL(url).hostname : undefined
}

/** A domain name or IPv4 address in lower case. One that a URL would read as another (`127.1`) is none. */
const domain = (name: string): string | undefined => {
  if (!name.split(".").every((part) => label.test(part))) return undefined
  const folded = name.toLowerCase()
  return urlHost(folded) === folded ? folded : undefined
}

/**
 * A registry's host, `name[:port]`, in its one spelling, or why `text` is none. Names are folded to lower case and IPv6
 * addresses to RFC 5952, so that comparing texts tells hosts apart.
 */
export const host = (text: string): Either.Either<string, string> => {
  if (text.length > maxHostLength) return Either.left(`the host is longer than ${maxHostLength} characters`)
  const colon = text.indexOf(":", text.lastIndexOf("]") + 1)
  const name = colon < 0 ? text : text.slice(0, colon)
  const number = colon < 0 ? undefined : text.slice(colon + 1)
  if (number !== undefined && !(port.test(number) && Number(number) <= 65_535)) {
    return Either.left("the port of the host is not one of 1 to 65535")
  }
  const known = ipv6.test(name) ? urlHost(name) : domain(name)
  if (known === undefined) {
    return Either.left("the host is no domain name, no IPv4 address, and no IPv6 address in brackets")
  }
  if (number !== undefined) return Either.right(`${known}:${number}`)
  return known === "localhost" || /[.[]/.test(known)
    ? Either.right(known)
    : Either.left("the host has no dot and no port, and is not localhost")
}

/** The fields of a reference, each of which has been checked. */
export interface ReferenceFields {
  readonly registry: string
  readonly repository: string
  readonly tag: string | undefined
  readonly digest: string | undefined
}

const within = (part: string, problem: string | undefined): string | undefined =>
  problem === undefined ? undefined : `in its ${part}, ${problem}`

/** `NAME[:TAG][@DIGEST]`: a name has no colon, and neither a name nor a tag has an at sign. */
const afterHost = (registry: string, text: string): Either.Either<ReferenceFields, string> => {
  const at = text.indexOf("@")
  const front = at < 0 ? text : text.slice(0, at)
  const digest = at < 0 ? undefined : text.slice(at + 1)
  const colon = front.indexOf(":")
  const repository = colon < 0 ? front : front.slice(0, colon)
  const tag = colon < 0 ? undefined : front.slice(colon + 1)
  const problem = within("repository name", nameProblem(repository)) ??
    within("tag", tag === undefined ? undefined : tagProblem(tag)) ??
    within("digest", digest === undefined ? undefined : digestProblem(digest))
  return problem === undefined
    ? Either.right({ registry, repository, tag, digest })
    : Either.left(problem)
}

/** What a text of any length is refused for, before it is looked at piece by piece. */
const referenceProblem = (text: string): string | undefined => {
  if (text.length > maxReferenceLength) return `it is longer than ${maxReferenceLength} characters`
  if (text.includes("://")) return "a reference has no scheme before its host"
  return undefined
}

/** The fields of `HOST/NAME[:TAG][@DIGEST]`, or why `text` is not that. */
export const reference = (text: string): Either.Either<ReferenceFields, string> => {
  const problem = referenceProblem(text)
  if (problem !== undefined) return Either.left(problem)
  const slash = text.indexOf("/")
  if (slash < 0) return Either.left("a host and a slash must come first")
  return Either.flatMap(host(text.slice(0, slash)), (registry) => afterHost(registry, text.slice(slash + 1)))
}

/** Docker Hub: what a familiar reference without host is on, and where names of one component are there. */
export const hub = "docker.io"
const hubAlias = "index.docker.io"
export const hubLibrary = "library/"
export const defaultTag = "latest"

/** The id of an image in a Docker host, which is no reference. distribution/reference, `identifier`. */
const imageId = /^[a-f0-9]{64}$/

/** A name of one component on the Hub, with what follows it. */
const official = /^[^/:@][^/]*$/

/** Whether what stands before the first slash is meant as a host. distribution/reference, `splitDockerDomain`. */
const hostlike = (text: string): boolean => /[.:]/.test(text) || text.toLowerCase() === "localhost"

/** The fields of a reference as people type it at `docker pull`, or why `text` is not that. */
export const familiarReference = (text: string): Either.Either<ReferenceFields, string> => {
  const problem = referenceProblem(text)
  if (problem !== undefined) return Either.left(problem)
  if (imageId.test(text)) return Either.left("64 hexadecimal digits are the id of an image")
  const slash = text.indexOf("/")
  const named = slash >= 0 && hostlike(text.slice(0, slash))
  return Either.flatMap(named ? host(text.slice(0, slash)) : Either.right(hub), (found) => {
    const registry = found === hubAlias ? hub : found
    const rest = named ? text.slice(slash + 1) : text
    const fields = afterHost(registry, registry === hub && official.test(rest) ? hubLibrary + rest : rest)
    return Either.map(
      fields,
      (known) => known.tag === undefined && known.digest === undefined ? { ...known, tag: defaultTag } : known
    )
  })
}
