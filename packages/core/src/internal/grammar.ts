/**
 * The grammars of the distribution spec and the image spec, in one place. Each expression is linear, anchored, and is
 * only run on a text whose length was checked first. `$` without the `m` flag matches only at the very end here.
 */

/** Spec, "Pulling manifests": `<name>`. */
const nameComponent = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/

/** Spec, "Pulling manifests": `<reference>` as a tag. */
const tag = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** Image spec, "Digests": `algorithm`. */
const algorithm = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*$/

/** Image spec, "Digests": `encoded`. */
const encoded = /^[a-zA-Z0-9=_-]+$/

const lowerHex = /^[0-9a-f]+$/

export const maxNameLength = 255
export const maxTagLength = 128
/** Not in the spec: longer than any registered algorithm needs, short enough for a URL. */
export const maxDigestLength = 512

/** The digits of the registered algorithms: any other count is an error. */
const hexLength: { readonly [algorithm: string]: number } = { __proto__: null as never, sha256: 64, sha512: 128, blake3: 64 }

/** Why `text` is no repository name, or `undefined` if it is one. */
export const nameProblem = (text: string): string | undefined => {
  if (text.length === 0) return "it is empty"
  if (text.length > maxNameLength) return `it is longer than ${maxNameLength} characters`
  for (const component of text.split("/")) {
    if (component.length === 0) return "a component between slashes is empty"
    if (!nameComponent.test(component)) {
      return "components are lower-case letters and digits, separated by one '.', one or two '_', or dashes"
    }
  }
  return undefined
}

/** Why `text` is no tag, or `undefined` if it is one. */
export const tagProblem = (text: string): string | undefined => {
  if (text.length === 0) return "it is empty"
  if (text.length > maxTagLength) return `it is longer than ${maxTagLength} characters`
  if (!tag.test(text)) return "a tag is letters, digits, '_', '.' and '-', and starts with none of '.' and '-'"
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
