import { pipeArguments } from "effect/Pipeable"
import type * as Stream from "effect/Stream"
import type { Digest } from "../Digest.js"
import type { RegistryError } from "../RegistryError.js"
import type * as Source from "../Source.js"
import * as pulled from "./pulled.js"
import * as native from "./source.js"

/**
 * @since 0.1.0
 * @category symbols
 */
export const TypeId: unique symbol = Symbol.for("@effect-oci/core/Body")

/**
 * @since 0.1.0
 * @category symbols
 */
export type TypeId = typeof TypeId

type Bytes = Stream.Stream<Uint8Array, RegistryError>

interface Fields {
  readonly size?: number | undefined
  readonly replayable?: boolean | undefined
}

/** A body from memory. It creates its stream only on demand: a server creates one such body for each small answer. */
export class InMemory {
  readonly [TypeId]: TypeId = TypeId
  readonly replayable = true
  readonly source = undefined
  constructor(
    readonly bytes: Uint8Array | undefined,
    readonly size: number | undefined,
    private readonly compute?: () => pulled.Content,
    readonly digest?: Digest
  ) {}

  content(): pulled.Content {
    const { bytes } = this
    if (bytes === undefined) return this.compute!()
    return { chunks: bytes.byteLength === 0 ? [] : [bytes] }
  }

  get stream(): Bytes {
    return pulled.toStream(() => this.content())
  }

  pipe() {
    return pipeArguments(this, arguments)
  }
}

/** A body from a native source. */
export class Native {
  readonly [TypeId]: TypeId = TypeId
  readonly bytes = undefined
  readonly size: number | undefined
  readonly replayable: boolean
  constructor(readonly source: Source.Source, fields: Fields | undefined, readonly digest?: Digest) {
    this.size = fields?.size
    this.replayable = fields?.replayable ?? false
  }

  get stream(): Bytes {
    return native.toStream(this.source)
  }

  pipe() {
    return pipeArguments(this, arguments)
  }
}

/** A body from a stream. */
export class Streamed {
  readonly [TypeId]: TypeId = TypeId
  readonly bytes = undefined
  readonly source = undefined
  readonly size: number | undefined
  readonly replayable: boolean
  constructor(readonly stream: Bytes, fields: Fields | undefined, readonly digest?: Digest) {
    this.size = fields?.size
    this.replayable = fields?.replayable ?? false
  }

  pipe() {
    return pipeArguments(this, arguments)
  }
}

interface Any {
  readonly source: Source.Source | undefined
}

/** Returns the function that computes what a body in memory yields. */
export const contentOf = (body: Any): (() => pulled.Content) | undefined =>
  body instanceof InMemory ? () => body.content() : undefined

/** Returns whether only a fiber can run the body. */
export const needsFiber = (body: Any): boolean => body.source === undefined && contentOf(body) === undefined
