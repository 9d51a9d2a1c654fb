import * as Body from "@effect-oci/core/Body"
import type { Span } from "@effect-oci/core/ByteRange"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Source from "@effect-oci/core/Source"
import type { BlobKey, Service } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import type { IdleTimers } from "@effect-oci/transport/IdleTimer"
import * as ResponseBody from "@effect-oci/transport/ResponseBody"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { S3Error } from "../S3Error.js"
import { nativeBody } from "./answers.js"
import type { Api } from "./api.js"
import * as names from "./names.js"

/** How often one read is resumed after its connection broke. */
const maxResumes = 8

type ReadFailure = Effect.Effect.Error<ReturnType<Service["read"]>>

/** An answer with the content of an object. */
interface Opened {
  readonly content: ResponseBody.ResponseBody
  /** The number of bytes that follow. */
  readonly length: number
  /** The size of the object. */
  readonly total: number
}

const failed = (cause: S3Error) => new StoreError.Failed({ cause })

const isMissing = ({ code, status }: S3Error): boolean => status === 404 && code !== "NoSuchBucket"

/** Returns the size of the object, and the length of the content that an answer contains. */
const lengthsOf = ({ headers, status }: HttpClientResponse, span: Span | undefined) => {
  if (span === undefined) {
    const length = /^\d+$/.test(headers["content-length"] ?? "") ? Number(headers["content-length"]) : undefined
    return status === 200 && length !== undefined ? { length, total: length } : undefined
  }
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers["content-range"] ?? "") ?? []
  return status === 206 && Number(first) === span.offset
    ? { length: Number(last) - span.offset + 1, total: Number(size) }
    : undefined
}

/** Reads objects. */
export class Reader {
  constructor(private readonly api: Api, private readonly idleTimers: IdleTimers) {}

  /** Reads a blob, as `BlobStore.read` does. */
  readBlob(key: BlobKey, span?: Span): Effect.Effect<Body.Body, ReadFailure, Scope.Scope> {
    return names.isKey(key)
      ? this.read(names.blob(key), key, span)
      : Effect.fail(new StoreError.NotFound({ key }))
  }

  /** Reads the first bytes of an object into memory. */
  firstBytes(name: string, size: number): Effect.Effect<Uint8Array, ReadFailure | RegistryError.RegistryError> {
    const limit = { limit: size, onLimit: () => new RegistryError.SizeInvalid({}) }
    return Effect.scoped(Effect.flatMap(
      this.read(name, "" as BlobKey, { offset: 0, length: size }),
      (body) => Body.toBytes(body, limit)
    ))
  }

  private read(name: string, key: BlobKey, span: Span | undefined) {
    return Effect.gen(this, function*() {
      let close = () => {}
      yield* Effect.addFinalizer(() => Effect.sync(() => close()))
      const open = (span: Span | undefined) =>
        Effect.map(this.open(name, key, span), (opened) => {
          close = opened.content.close
          return opened
        })
      const first = yield* open(span)
      const fork = yield* Source.fork
      const { offset } = span ?? { offset: 0 }
      const { length, total } = first
      const bodyOf = ({ content }: Opened, length: number) =>
        Body.fromSource((sink) => {
          const control = this.watched(content, length)(sink)
          close = control.cancel
          return control
        }, { size: length })
      const unavailable = (cause: unknown) =>
        new RegistryError.Unavailable({ reason: "the content of the blob could not be read", cause })
      const begin = () => {
        let resumes = 0
        return (error: RegistryError.RegistryError | undefined, passed: number) => {
          if (error === undefined) return Effect.succeed(undefined)
          if (resumes++ === maxResumes) return Effect.fail(unavailable(new StoreError.Failed({ cause: error })))
          const left = { offset: offset + passed, length: length - passed }
          return open(left).pipe(
            Effect.filterOrFail(
              (again) => again.total === total,
              (again) => new StoreError.Truncated({ key, size: again.total })
            ),
            Effect.mapBoth({
              onFailure: (cause) =>
                unavailable(cause._tag === "OciStoreNotFound" ? new StoreError.Truncated({ key, size: 0 }) : cause),
              onSuccess: (again) => bodyOf(again, left.length)
            })
          )
        }
      }
      return Body.continueWith(bodyOf(first, length), begin, fork)
    })
  }

  /** Opens an object. Fails if it does not have the span. */
  private open(name: string, key: BlobKey, span: Span | undefined): Effect.Effect<Opened, ReadFailure> {
    return this.api.getObject(name, span).pipe(
      Effect.catchAll((error) => {
        if (isMissing(error)) return Effect.fail(new StoreError.NotFound({ key }))
        return error.status === 416 ? this.rangeInvalid(name, key) : Effect.fail(failed(error))
      }),
      Effect.flatMap((response): Effect.Effect<Opened, ReadFailure> => {
        const content = ResponseBody.fromResponse(response)
        const lengths = lengthsOf(response, span)
        if (lengths !== undefined && (span === undefined || lengths.length === span.length)) {
          return Effect.succeed({ content, ...lengths })
        }
        content.close()
        return Effect.fail(
          lengths === undefined
            ? failed(this.api.unexpectedObject(name, response.status))
            : new StoreError.RangeInvalid({ key, size: lengths.total })
        )
      })
    )
  }

  private rangeInvalid(name: string, key: BlobKey): Effect.Effect<never, ReadFailure> {
    return Effect.flatMap(
      Effect.mapError(this.api.headObject(name), failed),
      (size) =>
        Effect.fail(size === undefined ? new StoreError.NotFound({ key }) : new StoreError.RangeInvalid({ key, size }))
    )
  }

  /** Returns the content of an answer, which fails if it has another length, or if nothing arrives for a while. */
  private watched(content: ResponseBody.ResponseBody, length: number): Source.Source {
    return (sink) => {
      let received = 0
      let isOver = false
      const stop = () => {
        isOver = true
        timer.stop()
        control.cancel()
      }
      const fail = (reason: string) => {
        if (isOver) return
        stop()
        sink.fail(new RegistryError.BodyFailed({ reason: `${reason} after ${received} of ${length} bytes` }))
      }
      const timer = this.idleTimers.start(() => fail(`nothing arrived for ${Duration.format(this.idleTimers.idle)}`))
      const control = nativeBody(content)({
        data: (chunk) => {
          if (received + chunk.byteLength > length) {
            fail("the object is too long")
            return false
          }
          received += chunk.byteLength
          timer.reset()
          if (sink.data(chunk)) return true
          timer.pause()
          return false
        },
        end: () => {
          if (received < length) return fail("the connection closed")
          stop()
          sink.end()
        },
        fail: (error) => fail(error.message)
      })
      return {
        resume: () => {
          timer.reset()
          control.resume()
        },
        cancel: stop
      }
    }
  }
}
