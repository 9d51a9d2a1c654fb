import * as AuthScope from "@effect-oci/core/AuthScope"
import * as Digest from "@effect-oci/core/Digest"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Printable from "@effect-oci/core/Printable"
import * as Reference from "@effect-oci/core/Reference"
import * as ReferenceSet from "@effect-oci/core/ReferenceSet"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import type { SyntaxInvalid } from "@effect-oci/core/SyntaxInvalid"
import * as Tag from "@effect-oci/core/Tag"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as fc from "fast-check"
import * as Arbitraries from "../../Arbitraries.js"
import type { Grammar } from "./hostile.js"
import { text } from "./target.js"
import type { Target } from "./target.js"

const hex = "0123456789abcdef".repeat(8)

/** The pieces of references and their parts. */
const pieces = {
  name: ["a", "0", "/", ".", "_", "__", "-", "--", "A", "library", ".."],
  tag: ["a", "A", "0", "_", ".", "-", "latest"],
  digest: ["sha256:", "sha512:", "blake3:", "md5:", "a", "A", "0", ":", "+", ".", "_", "-", "=", hex.slice(64), hex],
  host: [
    "docker.io",
    "index.docker.io",
    "localhost",
    ":5000",
    ":65536",
    "[::1]",
    "[",
    "]",
    "::",
    "127.1",
    "xn--",
    "://"
  ]
}

const digest: Grammar = { valid: Arbitraries.digest, pieces: pieces.digest }

const name: Grammar = { valid: Arbitraries.repositoryName, pieces: pieces.name }

const tag: Grammar = { valid: Arbitraries.tag, pieces: pieces.tag }

const reference: Grammar = {
  valid: Arbitraries.reference.map(Reference.format),
  pieces: ["a", "A", "/", ".", "-", "_", "@", ":", "@sha256:", hex.slice(64), "library/", ...pieces.host]
}

const familiar: Grammar = {
  valid: fc.oneof(Arbitraries.reference.map(Reference.familiar), Arbitraries.repositoryName),
  pieces: reference.pieces
}

const scope: Grammar = {
  valid: fc.array(
    fc.oneof(
      Arbitraries.operation.map(({ _tag }) => `registry:${_tag}:*`),
      fc.tuple(Arbitraries.repositoryName, fc.subarray(["pull", "push", "delete", "*", "pull"])).map((
        [name, actions]
      ) => `repository:${name}:${actions.join(",")}`)
    ),
    { maxLength: 4 }
  ).map((words) => words.join(" ")),
  pieces: ["repository:", "a", ":", ",", "*", " ", "\t", "pull", "push", "team/app", "(plugin)", "a:b:c ", "\u2028"]
}

const glob: Grammar = { valid: edges(Arbitraries.tag), pieces: ["*", "a", "a*", "*a", "v1.", "-rc", "_", "."] }

function edges(tags: fc.Arbitrary<Tag.Tag>): fc.Arbitrary<string> {
  return tags.map((tag) => `*${tag.slice(1, 100)}*`)
}

/** A name must not contain characters that end a header or a path, or that are invisible in a terminal. */
const isPlain = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

const named = (
  what: string,
  grammar: Grammar,
  module: {
    readonly parse: (text: string) => Either.Either<string, SyntaxInvalid>
    readonly is: (text: string) => boolean
  }
): Target =>
  text({
    name: what,
    grammar,
    run: module.parse,
    laws: {
      "the result is the input": (read, text) => read === text && module.is(text),
      "the result is visible ASCII": isPlain
    }
  })

/** The targets that read a name, or a set of names. */
export const names: ReadonlyArray<Target> = [
  text({
    name: "reference",
    grammar: reference,
    run: Reference.parse,
    laws: {
      "the result round-trips": (read) => Equal.equals(Reference.parse(Reference.format(read)), Either.right(read)),
      "each part is valid": ({ digest, repository, tag }) =>
        RepositoryName.is(repository) && (tag === undefined || Tag.is(tag)) &&
        (digest === undefined || Digest.is(digest)),
      "the result is visible ASCII": (read) => isPlain(Reference.format(read)),
      "the host is valid in a URL": ({ registry }) => new URL(`http://${registry}`).pathname === "/"
    }
  }),
  text({
    name: "familiar reference",
    grammar: familiar,
    run: Reference.parseFamiliar,
    laws: {
      "the result round-trips": (read) => Equal.equals(Reference.parse(Reference.format(read)), Either.right(read)),
      "the familiar form round-trips": (read) =>
        Equal.equals(Reference.parseFamiliar(Reference.familiar(read)), Either.right(read)),
      "the reference has a tag or a digest": ({ digest, tag }) => digest !== undefined || tag !== undefined
    }
  }),
  named("digest", digest, Digest),
  named("repository name", name, RepositoryName),
  named("tag", tag, Tag),
  text({
    name: "tag glob",
    grammar: glob,
    run: (text) => Either.try(() => ReferenceSet.tags(text)),
    laws: {
      "the glob matches tags that are made from it": (set, text) => {
        const tag = text.replaceAll("*", "0").slice(0, 128)
        return !Tag.is(tag) || ReferenceSet.contains(set, { repository: RepositoryName.make("a"), tag })
      }
    }
  }),
  text({
    name: "auth scope",
    grammar: scope,
    run: (text) => Either.right(AuthScope.parse(text)),
    laws: {
      "the text equals the input": (read, text) => AuthScope.format(read) === text,
      "the canonical text is an equal scope": (read) =>
        AuthScope.equals(AuthScope.parse(AuthScope.format(AuthScope.canonical(read))), read),
      "the text is printable": (read) => !/[\p{Cc}\p{Cs}]/u.test(String(read)),
      "the scope equals the union of its parts": (read) =>
        AuthScope.equals(AuthScope.make(AuthScope.values(read)), read)
    }
  }),
  text({
    name: "media type",
    grammar: {
      valid: Arbitraries.mediaType,
      pieces: ["application/", "json", ";", " ", "+", "/", "charset=utf-8", "\u0130"]
    },
    run: (text) => Either.right(MediaType.essence(text)),
    laws: { "the result is stable": (read) => MediaType.essence(read) === read }
  }),
  text({
    name: "printable text",
    grammar: { valid: fc.string(), pieces: ["a", "\u001b[2J", "\ud800", "\u{1f600}", "\u202e", "\n", "\\"] },
    run: (text) => Either.right(Printable.printable(text)),
    laws: {
      "the text is safe to log": (shown) => !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(shown),
      "the text is short": (shown) => shown.length <= 8 * 1024 + 1
    }
  })
]
