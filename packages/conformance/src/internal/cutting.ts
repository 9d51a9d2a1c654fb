import * as Body from "@effect-oci/core/Body"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** Where a body or list is cut, and how it ends there. */
export interface Scissors {
  /** Returns how many of the next bytes or items pass. */
  readonly pass: (amount: number) => number
  /** Returns whether content that has reached its end is cut at the end. */
  readonly atEnd: () => boolean
  readonly how: "fails" | "ends" | "stalls"
  readonly failure: () => RegistryError
  readonly onCut: () => void
}

/** Cuts a body at a byte. A body with a native source keeps a native source. */
export const body = (content: Body.Body, scissors: Scissors): Body.Body => {
  const fields = { size: content.size, replayable: content.replayable }
  return content.source === undefined
    ? Body.stream(
      cut(content.stream, scissors, {
        size: (piece) => piece.byteLength,
        part: (piece, size) => size === 0 ? Option.none() : Option.some(piece.subarray(0, size))
      }),
      fields
    )
    : Body.fromSource(source(content.source, scissors), fields)
}

/** Cuts a list at an item. */
export const list = <A>(items: Stream.Stream<A, RegistryError>, scissors: Scissors): Stream.Stream<A, RegistryError> =>
  cut(items, scissors, { size: () => 1, part: () => Option.none() })

const cut = <A>(
  items: Stream.Stream<A, RegistryError>,
  scissors: Scissors,
  measure: { readonly size: (item: A) => number; readonly part: (item: A, size: number) => Option.Option<A> }
): Stream.Stream<A, RegistryError> =>
  Stream.suspend(() => {
    let isCut = false
    const upTo = (item: A) => {
      const size = measure.size(item)
      const passed = scissors.pass(size)
      isCut = passed < size
      return { part: isCut ? measure.part(item, passed) : Option.some(item), isLast: isCut }
    }
    return Stream.rechunk(items, 1).pipe(
      Stream.map(upTo),
      Stream.takeUntil(({ isLast }) => isLast),
      Stream.filterMap(({ part }) => part),
      Stream.concat(Stream.suspend(() => isCut || scissors.atEnd() ? ending(scissors) : Stream.empty))
    )
  })

const ending = ({ failure, how, onCut }: Scissors): Stream.Stream<never, RegistryError> => {
  onCut()
  switch (how) {
    case "fails":
      return Stream.fail(failure())
    case "ends":
      return Stream.empty
    case "stalls":
      return Stream.never
  }
}

const source = (inner: Body.Source, { atEnd, failure, how, onCut, pass }: Scissors): Body.Source => (sink) => {
  let over = false
  const end = () => {
    over = true
    onCut()
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
