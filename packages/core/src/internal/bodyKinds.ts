import { pipeArguments } from "effect/Pipeable"
import type * as Stream from "effect/Stream"
import type * as Model from "../BodyModel.js"
import type { RegistryError } from "../RegistryError.js"
import type * as Source from "../Source.js"
import * as pulled from "./pulled.js"
import * as native from "./source.js"

export const TypeId: Model.TypeId = Symbol.for("@effect-oci/core/Body") as Model.TypeId

type Bytes = Stream.Stream<Uint8Array, RegistryError>

interface Fields {
  readonly size?: number | undefined
  readonly replayable?: boolean | undefined
}

/** A body from memory. It creates its stream only on demand: a server creates one such body for each small answer. */
export class InMemory {
  readonly [TypeId]: Model.TypeId = TypeId
  readonly replayable = true
  readonly source = undefined
  constructor(
    readonly bytes: Uint8Array | undefined,
    readonly size: number | undefined,
    private readonly compute?: () => pulled.Content
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
  readonly [TypeId]: Model.TypeId = TypeId
  readonly bytes = undefined
  readonly size: number | undefined
  readonly replayable: boolean
  constructor(readonly source: Source.Source, fields: Fields | undefined) {
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
  readonly [TypeId]: Model.TypeId = TypeId
  readonly bytes = undefined
  readonly source = undefined
  readonly size: number | undefined
  readonly replayable: boolean
  constructor(readonly stream: Bytes, fields: Fields | undefined) {
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
