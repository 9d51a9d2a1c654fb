import * as Digest from "@effect-oci/core/Digest"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Link from "@effect-oci/protocol/Link"
import * as Range from "@effect-oci/protocol/Range"
import * as Route from "@effect-oci/protocol/Route"
import * as Warning from "@effect-oci/protocol/Warning"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Arbitraries from "../../Arbitraries.js"
import type { Grammar } from "./hostile.js"
import { text } from "./target.js"
import type { Target } from "./target.js"

const numbers = ["0", "1", "9", "00", "99", "9007199254740991", "9007199254740992", "-", "--", " ", ","]

const range: Grammar = {
  valid: Arbitraries.byteRange.map(Range.format),
  pieces: ["bytes=", "BYTES=", "bytes", "items=", "=", ...numbers]
}

const span = fc.tuple(fc.nat(), fc.nat()).map(([offset, length]) => ({ offset, length: length + 1 }))

const contentRange: Grammar = {
  valid: fc.tuple(fc.option(span, { nil: undefined }), fc.nat()).map(([span, rest]) =>
    Range.formatContentRange({ span, size: span === undefined ? rest : span.offset + span.length + rest })
  ),
  pieces: ["bytes ", "BYTES ", "bytes=", "/", "*", ...numbers]
}

const chunk: Grammar = { valid: span.map(Range.formatSpan), pieces: ["bytes ", "bytes=", ...numbers] }

const offset: Grammar = { valid: fc.nat().map((offset) => `0-${offset}`), pieces: ["0-", "0--1", "bytes=", ...numbers] }

const link: Grammar = {
  valid: fc.array(fc.tuple(fc.webUrl({ withQueryParameters: true }), fc.constantFrom("next", "prev", "NEXT last")), {
    minLength: 1,
    maxLength: 3
  }).map((links) => links.map(([url, relation]) => `<${url.replaceAll(">", "")}>; rel="${relation}"`).join(", ")),
  pieces: ["<", ">", ";", ",", "=", "\"", "\\", " ", "rel", "rel=next", "; rel=\"next\"", "</v2/_catalog>", "<a>,", "a"]
}

const warning: Grammar = {
  valid: fc.array(fc.string(), { maxLength: 3 }).map(Warning.format),
  pieces: ["299", " ", "-", "\"", "\\", ",", "299 - \"", "299 - \"\",", "a", "199", "\t", "\\\""]
}

const route: Grammar = {
  valid: Arbitraries.repositoryName.chain((name) =>
    fc.oneof(
      fc.constantFrom("/v2/", "/v2", "/v2/_catalog", `/v2/${name}/tags/list`, `/v2/${name}/blobs/uploads/`),
      Arbitraries.digest.map((digest) => `/v2/${name}/blobs/${digest}`),
      Arbitraries.digest.map((digest) => `/v2/${name}/referrers/${digest}`),
      Arbitraries.tagOrDigest.map((reference) => `/v2/${name}/manifests/${reference}`),
      Arbitraries.uploadId.map((id) => Route.format({ _tag: "Upload", name, id }))
    )
  ),
  pieces: [
    "/v2/",
    "/",
    "a",
    "A",
    "..",
    ".",
    "%2f",
    "%2F",
    "%",
    "%e2%82",
    "blobs",
    "/blobs/uploads/",
    "/manifests/",
    "/tags/list",
    "_catalog",
    "uploads",
    "referrers"
  ]
}

const equal = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

/** The result of a parser that does not report a reason. */
const found = <A>(read: A | undefined): Either.Either<A, undefined> =>
  read === undefined ? Either.left(undefined) : Either.right(read)

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

const names = (route: Route.Route): boolean => {
  if (!("name" in route) || !RepositoryName.is(route.name)) return route._tag === "Base" || route._tag === "Catalog"
  if (route._tag === "Manifest") return Tag.is(route.reference) || Digest.is(route.reference)
  if ("digest" in route) return Digest.is(route.digest)
  return !("id" in route) || !/^\.\.?$|\p{Cs}/u.test(route.id)
}

/** The targets that read a header or a path. */
export const headers: ReadonlyArray<Target> = [
  text({
    name: "Range header",
    grammar: range,
    run: (text) => Either.right(Range.parse(text)),
    laws: {
      "the result round-trips": (read) => typeof read === "string" || equal(Range.parse(Range.format(read)), read),
      "the numbers are safe integers": (read) =>
        typeof read === "string" || [read.offset, read.length, read.suffix].every((n) => n === undefined || isCount(n))
    }
  }),
  text({
    name: "Content-Range header",
    grammar: contentRange,
    run: (text) => found(Range.parseContentRange(text)),
    laws: {
      "the result round-trips": (read) => equal(Range.parseContentRange(Range.formatContentRange(read)), read),
      "the range is within the content": ({ size, span }) =>
        span === undefined ||
        (isCount(span.offset) && span.length > 0 && span.offset + span.length <= (size ?? Infinity))
    }
  }),
  text({
    name: "span of a chunk",
    grammar: chunk,
    run: (text) => found(Range.parseSpan(text)),
    laws: {
      "the result round-trips": (read) => equal(Range.parseSpan(Range.formatSpan(read)), read),
      "the end is a safe integer": ({ length, offset }) => isCount(offset) && length > 0 && isCount(offset + length)
    }
  }),
  text({
    name: "offset of an upload",
    grammar: offset,
    run: (text) => found(Range.parseUploadOffset({ range: text })),
    laws: {
      "the result round-trips": (read) => Range.parseUploadOffset(Range.formatUploadOffset(read)) === read,
      "the result is a count": isCount
    }
  }),
  text({
    name: "count",
    grammar: { valid: fc.maxSafeNat().map(String), pieces: [...numbers, "+", "e", ".", "x", "\u0663"] },
    run: (text) => found(Range.parseClamped(text)),
    laws: {
      "the result is a count": isCount,
      "the result equals the number, unless it is too large": (read, text) =>
        [undefined, read].includes(Range.parseCount(text))
    }
  }),
  text({
    name: "Link header",
    grammar: link,
    run: (text) => {
      const read = Link.parse(text)
      return read.malformed ? Either.left(undefined) : Either.right(read.links)
    },
    laws: {
      "the next page round-trips": (links) => links.every(({ target }) => Link.next(Link.format(target)) === target),
      "the next page is the first link with rel=next": (links, text) =>
        Link.next(text) === links.find(({ relations }) => relations.includes("next"))?.target
    }
  }),
  text({
    name: "Warning header",
    grammar: warning,
    run: (text) => Either.right(Warning.parse(text)),
    laws: {
      "the result round-trips up to the length limit": (texts) => {
        const written = Warning.format(texts)
        const again = Warning.parse(written)
        return Warning.format(again) === written && again.length <= texts.length
      }
    }
  }),
  text({
    name: "path",
    grammar: route,
    run: (text) => found(Route.parse(text)),
    laws: {
      "the result round-trips if its names are valid": (read) =>
        !names(read) || equal(Route.parse(Route.format(read)), read)
    }
  })
]
