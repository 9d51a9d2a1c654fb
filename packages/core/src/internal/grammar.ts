/**
 * The grammars of the distribution spec, the image spec and Docker's references. Each expression takes linear time, is
 * anchored, and is only run on a text whose length was checked. `$` without the `m` flag matches only at the end of the
 * text.
 */
import * as Either from "effect/Either"

/**
 * The `<name>` of the spec: [Pulling
 * manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests).
 */
const name = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/

/**
 * The `<reference>` of the spec, as a tag: [Pulling
 * manifests](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests).
 */
const tag = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** A tag in which `*` matches any number of characters, including zero. */
const glob = /^[a-zA-Z0-9_*][a-zA-Z0-9._*-]*$/

/**
 * The `algorithm` of the image spec:
 * [Digests](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests).
 */
const algorithm = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*$/

/**
 * The `encoded` of the image spec:
 * [Digests](https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests).
 */
const encoded = /^[a-zA-Z0-9=_-]+$/

const lowerHex = /^[0-9a-f]+$/

/** distribution/reference, `domain-component`. Upper case is accepted here and converted to lower case afterwards. */
const label = /^[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*$/

/** distribution/reference, `ipv6address`: without a zone, and without an IPv4 address at the end. */
const ipv6 = /^\[[a-fA-F0-9:]+\]$/

const port = /^[1-9][0-9]{0,4}$/

export const maxNameLength = 255
export const maxTagLength = 128
/** A limit that is not in the spec: longer than any registered algorithm needs, and short enough for a URL. */
export const maxDigestLength = 512
/** The length of a domain name, 253 characters, and of a port. */
const maxHostLength = 259
const maxReferenceLength = maxHostLength + 1 + maxNameLength + 1 + maxTagLength + 1 + maxDigestLength

/** The number of hexadecimal digits of the registered algorithms. Any other number is an error. */
const hexLength: { readonly [algorithm: string]: number } = {
  __proto__: null as never,
  sha256: 64,
  sha512: 128,
  blake3: 64
}

/** Returns why `text` is not a repository name, or `undefined` if it is valid. */
export const nameProblem = (text: string): string | undefined => {
  if (text.length === 0) return "it is empty"
  if (text.length > maxNameLength) return `it is longer than ${maxNameLength} characters`
  if (name.test(text)) return undefined
  return text.split("/").includes("")
    ? "a component between slashes is empty"
    : "components are lower-case letters and digits, separated by one '.', one or two '_', or dashes"
}

/** Returns why `text` is not a tag, or `undefined` if it is valid. */
export const tagProblem = (text: string): string | undefined => {
  if (text.length === 0) return "it is empty"
  if (text.length > maxTagLength) return `it is longer than ${maxTagLength} characters`
  if (!tag.test(text)) return "a tag is letters, digits, '_', '.' and '-', and starts with none of '.' and '-'"
  return undefined
}

/** Returns why `text` is not a prefix of repository names, such as `team/`, or `undefined` if it is valid. */
export const prefixProblem = (text: string): string | undefined => {
  if (!text.endsWith("/")) return "it does not end with a slash, and so would take in names that only start alike"
  if (text.length >= maxNameLength) return `no name of at most ${maxNameLength} characters is below it`
  return nameProblem(text.slice(0, -1))
}

/** Returns why `text` is not a tag glob, or `undefined` if it is valid. */
export const globProblem = (text: string): string | undefined => {
  if (text.length === 0) return "it is empty"
  if (text.length > maxTagLength) return `it is longer than ${maxTagLength} characters`
  if (!glob.test(text)) return "a glob is the characters of a tag and '*', and starts with none of '.' and '-'"
  return undefined
}

/** Returns why `text` is not a digest, or `undefined` if it is valid. */
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

/** Returns a host without port in the form in which a URL normalizes it, or `undefined` if a URL does not accept it. */
const urlHost = (name: string): string | undefined => {
  const url = `http://${name}`
  return URL.canParse(url) ? new URL(url).hostname : undefined
}

/**
 * Returns a domain name or IPv4 address in lower case. Rejects a text that a URL would read as another address
 * (`127.1`).
 */
const domain = (name: string): string | undefined => {
  if (!name.split(".").every((part) => label.test(part))) return undefined
  const folded = name.toLowerCase()
  return urlHost(folded) === folded ? folded : undefined
}

/**
 * Returns the normalized host of a registry, `name[:port]`, or why `text` is not a host. Names are in lower case, and
 * IPv6 addresses as in RFC 5952. Two hosts are therefore equal exactly if their texts are equal.
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
    return Either.left("the host is not a domain name, an IPv4 address, or an IPv6 address in brackets")
  }
  if (number !== undefined) return Either.right(`${known}:${number}`)
  return known === "localhost" || /[.[]/.test(known)
    ? Either.right(known)
    : Either.left("the host has no dot and no port, and is not localhost")
}

/** The validated fields of a reference. */
export interface ReferenceFields {
  readonly registry: string
  readonly repository: string
  readonly tag: string | undefined
  readonly digest: string | undefined
}

const within = (part: string, problem: string | undefined): string | undefined =>
  problem === undefined ? undefined : `in its ${part}, ${problem}`

/** Parses `NAME[:TAG][@DIGEST]`. A name contains no colon, and neither a name nor a tag contains an at sign. */
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

/** Returns why a text is too long, or otherwise unacceptable, before its parts are parsed. */
const referenceProblem = (text: string): string | undefined => {
  if (text.length > maxReferenceLength) return `it is longer than ${maxReferenceLength} characters`
  if (text.includes("://")) return "a reference has no scheme before its host"
  return undefined
}

/** Returns the fields of `HOST/NAME[:TAG][@DIGEST]`, or why `text` does not have this form. */
export const reference = (text: string): Either.Either<ReferenceFields, string> => {
  const problem = referenceProblem(text)
  if (problem !== undefined) return Either.left(problem)
  const slash = text.indexOf("/")
  if (slash < 0) return Either.left("a host and a slash must come first")
  return Either.flatMap(host(text.slice(0, slash)), (registry) => afterHost(registry, text.slice(slash + 1)))
}

/** Docker Hub: the registry of a short reference without a host, and the prefix of its one-component names. */
export const hub = "docker.io"
const hubAlias = "index.docker.io"
export const hubLibrary = "library/"
export const defaultTag = "latest"

/** The id of an image in a Docker daemon, which is not a reference. distribution/reference, `identifier`. */
const imageId = /^[a-f0-9]{64}$/

/** Matches a name of one component on Docker Hub, and what follows the name. */
const official = /^[^/:@][^/]*$/

/** Returns whether the text before the first slash is a host. distribution/reference, `splitDockerDomain`. */
const hostlike = (text: string): boolean => /[.:]/.test(text) || text.toLowerCase() === "localhost"

/** Returns the fields of a reference in the short form that people type at `docker pull`, or why `text` is not one. */
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
