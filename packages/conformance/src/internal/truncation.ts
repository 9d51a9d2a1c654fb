import * as Body from "@effect-oci/core/Body"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Option from "effect/Option"
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
  const fields = { size: content.size, replayable: content.replayable }
  return content.source === undefined
    ? Body.stream(
      truncate(content.stream, truncation, {
        size: (piece) => piece.byteLength,
        part: (piece, size) => size === 0 ? Option.none() : Option.some(piece.subarray(0, size))
      }),
      fields
    )
    : Body.fromSource(source(content.source, truncation), fields)
}

/** Truncates a list at an item. */
export const list = <A>(
  items: Stream.Stream<A, RegistryError>,
  truncation: Truncation
): Stream.Stream<A, RegistryError> => truncate(items, truncation, { size: () => 1, part: () => Option.none() })

const truncate = <A>(
  items: Stream.Stream<A, RegistryError>,
  truncation: Truncation,
  measure: { readonly size: (item: A) => number; readonly part: (item: A, size: number) => Option.Option<A> }
): Stream.Stream<A, RegistryError> =>
  Stream.suspend(() => {
    let isTruncated = false
    const upTo = (item: A) => {
      const size = measure.size(item)
      const passed = truncation.pass(size)
      isTruncated = passed < size
      return { part: isTruncated ? measure.part(item, passed) : Option.some(item), isLast: isTruncated }
    }
    return Stream.rechunk(items, 1).pipe(
      Stream.map(upTo),
      Stream.takeUntil(({ isLast }) => isLast),
      Stream.filterMap(({ part }) => part),
      Stream.concat(Stream.suspend(() => isTruncated || truncation.atEnd() ? ending(truncation) : Stream.empty))
    )
  })

const ending = ({ failure, how, onTruncate }: Truncation): Stream.Stream<never, RegistryError> => {
  onTruncate()
  switch (how) {
    case "fails":
      return Stream.fail(failure())
    case "ends":
      return Stream.empty
    case "stalls":
      return Stream.never
  }
}

const source = (inner: Body.Source, { atEnd, failure, how, onTruncate, pass }: Truncation): Body.Source => (sink) => {
  let over = false
  const end = () => {
    over = true
    onTruncate()
    if (how === "fails") sink.fail(failure())
    else if (how === "ends") sink.end()
  }
  const control = inner({
    data: (chunk) => {
      if (over) return false
      const passed = pass(chunk.byteLength)
      if (passed === chunk.byteLength) return sink.data(chunk)
      if (passed > 0) sink.data(chunk.subarray(0, passed))
      if (!over) {
        control.cancel()
        end()
      }
      return false
    },
    end: () => {
      if (over) return
      if (atEnd()) end()
      else sink.end()
    },
    fail: (error) => {
      if (!over) sink.fail(error)
    }
  })
  return {
    resume: () => {
      if (!over) control.resume()
    },
    cancel: () => {
      over = true
      control.cancel()
    }
  }
}
