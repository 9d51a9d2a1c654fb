import * as Body from "@effect-oci/core/Body"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Source from "@effect-oci/core/Source"
import * as Stream from "effect/Stream"

/** Where a body or list is truncated, and how it ends there. */
export interface Truncation {
  /** Returns how many of the next bytes or items pass. */
  readonly pass: (amount: number) => number
  /** Returns whether complete content also ends with the fault. */
  readonly atEnd: () => boolean
  readonly how: "fails" | "ends" | "stalls"
  readonly failure: () => RegistryError
  readonly onTruncate: () => void
}

/** Truncates a body at a byte. A body with a native source keeps a native source. */
export const body = (content: Body.Body, truncation: Truncation): Body.Body => {
  const { atEnd, onTruncate, pass } = truncation
  let isTruncated = false
  const truncate = (sink: Source.Sink) => {
    onTruncate()
    isTruncated = true
    sink.end()
  }
  const start = Body.transform(content, (sink) => {
    isTruncated = false
    return {
      data: (chunk) => {
        const passed = pass(chunk.byteLength)
        const isOpen = passed === 0 || sink.data(chunk.subarray(0, passed))
        if (passed < chunk.byteLength) truncate(sink)
        return isOpen
      },
      end: () => {
        if (atEnd()) truncate(sink)
      }
    }
  })
  const end = Body.fromSource((sink) => (isTruncated ? ending(truncation) : none)(sink), { replayable: true })
  return Body.withSize(Body.concat([start, end]), content.size)
}

const none = Source.fromChunks([])

const stalled: Source.Source = () => ({ resume: () => {}, cancel: () => {} })

const ending = ({ failure, how }: Truncation): Source.Source => {
  switch (how) {
    case "fails":
      return Source.fail(failure())
    case "ends":
      return none
    case "stalls":
      return stalled
  }
}

/** Truncates a list at an item. */
export const list = <A>(
  items: Stream.Stream<A, RegistryError>,
  truncation: Truncation
): Stream.Stream<A, RegistryError> =>
  Stream.suspend(() => {
    let isTruncated = false
    const passes = () => {
      isTruncated = truncation.pass(1) < 1
      return !isTruncated
    }
    return Stream.rechunk(items, 1).pipe(
      Stream.takeWhile(passes),
      Stream.concat(Stream.suspend(() => {
        if (!isTruncated && !truncation.atEnd()) return Stream.empty
        truncation.onTruncate()
        return Stream.drain(Body.fromSource(ending(truncation)).stream)
      }))
    )
  })
