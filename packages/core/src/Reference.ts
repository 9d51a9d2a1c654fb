/**
 * References to manifests: `ghcr.io/team/app:v1@sha256:…`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import { dual } from "effect/Function"
import * as Hash from "effect/Hash"
import { type Inspectable, NodeInspectSymbol } from "effect/Inspectable"
import * as ParseResult from "effect/ParseResult"
import { type Pipeable, pipeArguments } from "effect/Pipeable"
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Digest } from "./Digest.js"
import * as grammar from "./internal/grammar.js"
import type { RepositoryName } from "./RepositoryName.js"
import { SyntaxInvalid } from "./SyntaxInvalid.js"
import type { Tag } from "./Tag.js"

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("@effect-oci/core/Reference")

/**
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

/**
 * A reference: a registry, a repository, and optionally a tag, a digest or both. If a reference has both, the digest
 * identifies the manifest, and the tag is expected to point to it. Two references are equal (`Equal.equals`) if their
 * fields are equal. `toString` and JSON return the text of the reference. Created only by the functions of this module.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reference extends Equal.Equal, Inspectable, Pipeable {
  readonly [TypeId]: TypeId
  /**
   * The host and optional port: `ghcr.io`, `localhost:5000`, `[::1]:5000`. The host is normalized: lower case, and IPv6
   * addresses as in [RFC 5952](https://www.rfc-editor.org/rfc/rfc5952). The port is kept as it is, because whether 443
   * is the default depends on the scheme.
   */
  readonly registry: string
  readonly repository: RepositoryName
  readonly tag: Tag | undefined
  readonly digest: Digest | undefined
}

type Fields = Pick<Reference, "registry" | "repository" | "tag" | "digest">

class Parts implements Reference {
  readonly registry: string
  readonly repository: RepositoryName
  readonly tag: Tag | undefined
  readonly digest: Digest | undefined

  constructor(fields: Fields) {
    this.registry = fields.registry
    this.repository = fields.repository
    this.tag = fields.tag
    this.digest = fields.digest
  }
  get [TypeId](): TypeId {
    return TypeId
  }
  [Equal.symbol](that: unknown): boolean {
    return is(that) && this.toString() === that.toString()
  }
  [Hash.symbol](): number {
    return Hash.string(this.toString())
  }
  toString(): string {
    const tag = this.tag === undefined ? "" : `:${this.tag}`
    const digest = this.digest === undefined ? "" : `@${this.digest}`
    return `${this.registry}/${this.repository}${tag}${digest}`
  }
  toJSON(): string {
    return this.toString()
  }
  [NodeInspectSymbol](): string {
    return this.toString()
  }
  pipe() {
    return pipeArguments(this, arguments)
  }
}

/**
 * Returns whether `value` is a reference.
 *
 * @since 0.1.0
 * @category guards
 */
export const is = (value: unknown): value is Reference => hasProperty(value, TypeId)

const parseAs = (
  text: string,
  read: (text: string) => Either.Either<grammar.ReferenceFields, string>
): Either.Either<Reference, SyntaxInvalid> =>
  Either.mapBoth(read(text), {
    onLeft: (reason) => new SyntaxInvalid({ expected: "reference", text, reason }),
    onRight: (fields) => new Parts(fields as Fields)
  })

/**
 * Parses `HOST/NAME[:TAG][@DIGEST]`. Adds no defaults. The host must contain a dot or a port, or be `localhost` or an
 * IPv6 address in brackets without a zone. The host is normalized; apart from that, {@link format} returns the same
 * text. Takes linear time, and constant time for a text longer than any reference.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Reference } from "@effect-oci/core"
 *
 * const reference = Reference.parse("ghcr.io/team/app:v1") // Either.right
 * const wrong = Reference.parse("team/app") // Either.left(SyntaxInvalid): no host
 * ```
 */
export const parse = (text: string): Either.Either<Reference, SyntaxInvalid> => parseAs(text, grammar.reference)

/**
 * Parses the short form that people type at `docker pull`. Without a host, the registry is `docker.io`; the host
 * `index.docker.io` also becomes `docker.io`. On `docker.io`, a name of one component is in `library/`. Without a tag
 * and a digest, the tag is `latest`.
 *
 * Differs from Docker in one case: `Foo/app` fails, and is not read as `app` on the host `Foo`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Reference } from "@effect-oci/core"
 *
 * const alpine = Reference.parseFamiliar("alpine") // docker.io/library/alpine:latest
 * const app = Reference.parseFamiliar("user/app:v1") // docker.io/user/app:v1
 * const elsewhere = Reference.parseFamiliar("ghcr.io/team/app") // ghcr.io/team/app:latest
 * ```
 */
export const parseFamiliar = (text: string): Either.Either<Reference, SyntaxInvalid> =>
  parseAs(text, grammar.familiarReference)

/**
 * Creates a reference from its parts.
 *
 * @since 0.1.0
 * @category constructors
 * @throws SyntaxInvalid if `registry` is not a host: for untrusted text use {@link parse}
 * @example
 * ```ts
 * import { Reference, RepositoryName, Tag } from "@effect-oci/core"
 *
 * const reference = Reference.make({
 *   registry: "ghcr.io",
 *   repository: RepositoryName.make("team/app"),
 *   tag: Tag.make("v1")
 * })
 * ```
 */
export const make = (parts: {
  readonly registry: string
  readonly repository: RepositoryName
  readonly tag?: Tag | undefined
  readonly digest?: Digest | undefined
}): Reference => {
  const registry = Either.getOrThrowWith(parseHost(parts.registry), (error) => error)
  return new Parts({ registry, repository: parts.repository, tag: parts.tag, digest: parts.digest })
}

/**
 * Parses the host of a registry, `host[:port]`, and returns it in lower case.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Reference } from "@effect-oci/core"
 *
 * const host = Reference.parseHost("GHCR.io") // Either.right("ghcr.io")
 * ```
 */
export const parseHost = (text: string): Either.Either<string, SyntaxInvalid> =>
  Either.mapLeft(grammar.host(text), (reason) => new SyntaxInvalid({ expected: "registry", text, reason }))

/**
 * Returns the same reference with another tag, or without a tag.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withTag: {
  (tag: Tag | undefined): (self: Reference) => Reference
  (self: Reference, tag: Tag | undefined): Reference
} = /* @__PURE__ */ dual(2, (self: Reference, tag: Tag | undefined): Reference => new Parts({ ...self, tag }))

/**
 * Returns the same reference with another digest, or without a digest. Use it to pin a tag to the digest that it
 * resolves to.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withDigest: {
  (digest: Digest | undefined): (self: Reference) => Reference
  (self: Reference, digest: Digest | undefined): Reference
} = /* @__PURE__ */ dual(2, (self: Reference, digest: Digest | undefined): Reference => new Parts({ ...self, digest }))

/**
 * Returns the text of a reference. {@link parse} parses it back.
 *
 * @since 0.1.0
 * @category formatting
 */
export const format = (self: Reference): string => self.toString()

/**
 * Returns the shortest text that {@link parseFamiliar} parses to the same reference. Returns the full text if no
 * shorter text does.
 *
 * @since 0.1.0
 * @category formatting
 * @example
 * ```ts
 * import { Reference } from "@effect-oci/core"
 * import { Either } from "effect"
 *
 * const short = Either.map(Reference.parse("docker.io/library/alpine:latest"), Reference.familiar) // "alpine"
 * ```
 */
export const familiar = (self: Reference): string => {
  const texts = [format(self)]
  if (self.registry === grammar.hub) {
    texts.push(texts[0]!.slice(grammar.hub.length + 1))
    if (self.repository.startsWith(grammar.hubLibrary)) texts.push(texts[1]!.slice(grammar.hubLibrary.length))
  }
  if (self.tag === grammar.defaultTag && self.digest === undefined) {
    texts.push(...texts.map((text) => text.slice(0, -grammar.defaultTag.length - 1)))
  }
  return texts
    .sort((one, other) => one.length - other.length)
    .find((text) => Equal.equals(Either.getOrUndefined(parseFamiliar(text)), self)) ?? format(self)
}

const Self = /* @__PURE__ */ Schema.declare(is, {
  identifier: "Reference",
  pretty: () => format,
  equivalence: () => Equal.equals
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const schema: Schema.Schema<Reference, string> = /* @__PURE__ */ Schema.transformOrFail(Schema.String, Self, {
  strict: true,
  decode: (text, _options, ast) =>
    Either.mapLeft(parse(text), (error) => new ParseResult.Type(ast, text, error.message)),
  encode: (reference) => ParseResult.succeed(format(reference))
})
