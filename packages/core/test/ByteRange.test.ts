import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as ByteRange from "../src/ByteRange.js"

describe("ByteRange.resolve", () => {
  it.each([
    { name: "a slice within", range: ByteRange.slice(500, 1000), size: 2048, span: { offset: 500, length: 1000 } },
    { name: "to the end", range: ByteRange.from(500), size: 2048, span: { offset: 500, length: 1548 } },
    { name: "from the start", range: ByteRange.from(0), size: 2048, span: { offset: 0, length: 2048 } },
    { name: "the last bytes", range: ByteRange.last(500), size: 2048, span: { offset: 1548, length: 500 } },
    {
      name: "a slice that is longer",
      range: ByteRange.slice(2000, 3001),
      size: 2048,
      span: { offset: 2000, length: 48 }
    },
    {
      name: "more last bytes than there are",
      range: ByteRange.last(5000),
      size: 2048,
      span: { offset: 0, length: 2048 }
    },
    { name: "the last byte", range: ByteRange.from(2047), size: 2048, span: { offset: 2047, length: 1 } },
    { name: "a slice from the end on", range: ByteRange.slice(2048, 1), size: 2048, span: undefined },
    { name: "a slice beyond the end", range: ByteRange.slice(5000, 5001), size: 2048, span: undefined },
    { name: "a slice of no bytes", range: ByteRange.slice(500, 0), size: 2048, span: undefined },
    { name: "no last bytes", range: ByteRange.last(0), size: 2048, span: undefined },
    { name: "from the start of nothing", range: ByteRange.from(0), size: 0, span: undefined },
    { name: "the last bytes of nothing", range: ByteRange.last(1), size: 0, span: undefined },
    { name: "from before the start", range: ByteRange.from(-1), size: 2048, span: undefined },
    { name: "a slice from before the start", range: ByteRange.slice(-1, 5), size: 2048, span: undefined },
    { name: "a slice of less than no bytes", range: ByteRange.slice(5, -1), size: 2048, span: undefined },
    { name: "less than no last bytes", range: ByteRange.last(-1), size: 2048, span: undefined },
    { name: "from the middle of a byte", range: ByteRange.from(0.5), size: 2048, span: undefined },
    { name: "half a byte", range: ByteRange.slice(0, 0.5), size: 2048, span: undefined },
    { name: "the last half byte", range: ByteRange.last(0.5), size: 2048, span: undefined },
    { name: "from nowhere", range: ByteRange.from(Number.NaN), size: 2048, span: undefined }
  ])("$name", ({ range, size, span }) => {
    expect(ByteRange.resolve(range, size)).toEqual(span)
  })

  const number = fc.oneof(fc.integer({ min: -3, max: 60 }), fc.maxSafeInteger(), fc.double())
  const range = fc.oneof(
    number.map(ByteRange.from),
    number.map(ByteRange.last),
    fc.tuple(number, number).map(([offset, length]) => ByteRange.slice(offset, length))
  )

  it("returns a non-empty part of the content, or undefined", () =>
    fc.assert(fc.property(range, fc.nat(50), (range, size) => {
      const span = ByteRange.resolve(range, size)
      if (span === undefined) return
      expect(Number.isInteger(span.offset) && Number.isInteger(span.length)).toBe(true)
      expect(span.offset).toBeGreaterThanOrEqual(0)
      expect(span.length).toBeGreaterThan(0)
      expect(span.offset + span.length).toBeLessThanOrEqual(size)
    })))

  it("resolves its own result to the same span", () =>
    fc.assert(fc.property(range, fc.nat(50), (range, size) => {
      const span = ByteRange.resolve(range, size)
      const again = span === undefined ? undefined : ByteRange.resolve(ByteRange.slice(span.offset, span.length), size)
      expect(again).toEqual(span)
    })))
})
