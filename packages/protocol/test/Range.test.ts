import * as ByteRange from "@effect-oci/core/ByteRange"
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Range from "../src/Range.js"
import { counts, ranges } from "./arbitraries.js"
import { hostileTexts, quickest, texts } from "./hostile.js"

const largest = Number.MAX_SAFE_INTEGER

describe("parseCount", () => {
  const rows: ReadonlyArray<readonly [text: string | undefined, count: number | undefined]> = [
    ["0", 0],
    ["007", 7],
    ["1000", 1000],
    ["9007199254740991", largest],
    ["9007199254740992", undefined],
    ["99999999999999999999", undefined],
    [undefined, undefined],
    ["", undefined],
    ["-1", undefined],
    ["+1", undefined],
    ["1.5", undefined],
    ["1e9", undefined],
    ["0x10", undefined],
    [" 1", undefined],
    ["1\n", undefined],
    ["1,1", undefined],
    ["٣", undefined],
    ["NaN", undefined],
    ["Infinity", undefined]
  ]
  it.each(rows)("parses %j as %j", (text, count) => {
    expect(Range.parseCount(text)).toBe(count)
  })
})

describe("parse", () => {
  const rows: ReadonlyArray<readonly [header: string | undefined, range: ByteRange.ByteRange | "none" | "invalid"]> = [
    [undefined, "none"],
    ["", "none"],
    ["bytes=500-1499", ByteRange.slice(500, 1000)],
    ["bytes=500-", ByteRange.from(500)],
    ["bytes=-500", ByteRange.last(500)],
    ["bytes=0-0", ByteRange.slice(0, 1)],
    ["bytes=00-01", ByteRange.slice(0, 2)],
    ["Bytes=0-1", ByteRange.slice(0, 2)],
    [" bytes=0-1 ", ByteRange.slice(0, 2)],
    ["bytes=500-0", "invalid"],
    ["bytes=-0", "invalid"],
    // A range beyond any content is still a range. It must not become a request for the whole content.
    ["bytes=1-99999999999999999999", ByteRange.slice(1, largest - 1)],
    ["bytes=0-9007199254740992", ByteRange.slice(0, largest)],
    ["bytes=99999999999999999999-", ByteRange.from(largest)],
    ["bytes=-99999999999999999999", ByteRange.last(largest)],
    ["bytes=99999999999999999999-0", "invalid"],
    ["bytes=99999999999999999999-99999999999999999999", "invalid"],
    ["bytes=9007199254740991-9007199254740991", "invalid"],
    ["bytes=9007199254740990-9007199254740991", { offset: 9007199254740990, length: 1 }],
    ["bytes=0-1,5-6", "none"],
    ["bytes=0-1, 5-6", "none"],
    ["bytes=0-1,", "none"],
    ["bytes=0-1, bytes=5-6", "none"],
    ["items=0-1", "none"],
    ["bytes", "none"],
    ["bytes=", "none"],
    ["bytes=-", "none"],
    ["bytes=--5", "none"],
    ["bytes=0--1", "none"],
    ["bytes=a-", "none"],
    ["bytes=1-b", "none"],
    ["bytes=+1-2", "none"],
    ["bytes=1.5-2", "none"],
    ["bytes=1e3-", "none"],
    ["bytes=٣-", "none"],
    ["0-1", "none"]
  ]
  it.each(rows)("parses %j", (header, range) => {
    expect(Range.parse(header)).toEqual(range)
  })

  // The rules of the spec for a blob of 2048 bytes. `undefined` means status 416.
  const sent: ReadonlyArray<readonly [header: string, contentRange: string | undefined]> = [
    ["bytes=500-1499", "bytes 500-1499/2048"],
    ["bytes=500-", "bytes 500-2047/2048"],
    ["bytes=-500", "bytes 1548-2047/2048"],
    ["bytes=2000-5000", "bytes 2000-2047/2048"],
    ["bytes=-5000", "bytes 0-2047/2048"],
    ["bytes=0-0", "bytes 0-0/2048"],
    ["bytes=2047-", "bytes 2047-2047/2048"],
    ["bytes=2048-", undefined],
    ["bytes=5000-10000", undefined],
    ["bytes=99999999999999999999-", undefined],
    ["bytes=0-99999999999999999999", "bytes 0-2047/2048"]
  ]
  it.each(sent)("resolves %s of 2048 bytes to %s", (header, contentRange) => {
    const range = Range.parse(header)
    if (typeof range === "string") throw new Error(range)
    const span = ByteRange.resolve(range, 2048)
    expect(span && Range.formatContentRange({ span, size: 2048 })).toBe(contentRange)
  })

  it("is the inverse of format", () => {
    fc.assert(
      fc.property(ranges, (range) => {
        expect(Range.parse(Range.format(range))).toEqual(range)
      })
    )
  })

  it.each([ByteRange.slice(0, 0), ByteRange.slice(5, 0), ByteRange.last(0)])(
    "keeps the empty range %j empty",
    (range) => {
      expect(Range.parse(Range.format(range))).toBe("invalid")
    }
  )
})

describe("parseContentRange", () => {
  const rows: ReadonlyArray<readonly [header: string | undefined, range: Range.ContentRange | undefined]> = [
    ["bytes 0-9/100", { span: { offset: 0, length: 10 }, size: 100 }],
    ["bytes 90-99/100", { span: { offset: 90, length: 10 }, size: 100 }],
    ["bytes 0-9/*", { span: { offset: 0, length: 10 }, size: undefined }],
    ["bytes */100", { span: undefined, size: 100 }],
    ["bytes */0", { span: undefined, size: 0 }],
    ["Bytes 0-0/1", { span: { offset: 0, length: 1 }, size: 1 }],
    ["  bytes  0-0/1 ", { span: { offset: 0, length: 1 }, size: 1 }],
    ["bytes 90-100/100", undefined],
    ["bytes 9-0/100", undefined],
    ["bytes */*", undefined],
    ["bytes 0-9", undefined],
    ["bytes 0-9/", undefined],
    ["bytes /100", undefined],
    ["bytes 0-9/1e3", undefined],
    ["bytes 0-9/100, bytes 20-29/100", undefined],
    ["bytes 0-9007199254740991/*", undefined],
    ["bytes 0-9/9007199254740992", undefined],
    ["bytes=0-9/100", undefined],
    ["items 0-9/100", undefined],
    ["0-9/100", undefined],
    ["", undefined],
    [undefined, undefined]
  ]
  it.each(rows)("parses %j", (header, range) => {
    expect(Range.parseContentRange(header)).toEqual(range)
  })

  it("is the inverse of formatContentRange", () => {
    const spans = fc
      .tuple(counts, counts)
      .filter(([offset, length]) => length > 0 && offset + length < largest)
      .map(([offset, length]) => ({ offset, length }))
    const contentRanges = fc.oneof(
      counts.map((size) => ({ span: undefined, size })),
      spans.map((span) => ({ span, size: undefined })),
      spans.map((span) => ({ span, size: span.offset + span.length }))
    )
    fc.assert(
      fc.property(contentRanges, (range) => {
        expect(Range.parseContentRange(Range.formatContentRange(range))).toEqual(range)
      })
    )
  })
})

describe("parseSpan", () => {
  const rows: ReadonlyArray<readonly [text: string, span: ByteRange.Span | undefined]> = [
    ["0-0", { offset: 0, length: 1 }],
    ["0-9", { offset: 0, length: 10 }],
    ["10-19", { offset: 10, length: 10 }],
    ["0-9007199254740990", { offset: 0, length: largest }],
    // One byte more than the largest safe integer.
    ["0-9007199254740991", undefined],
    ["1-9007199254740991", undefined],
    ["9-0", undefined],
    ["0--1", undefined],
    ["-9", undefined],
    ["9-", undefined],
    ["0", undefined],
    ["", undefined],
    ["0-9/10", undefined],
    ["bytes 0-9", undefined],
    ["bytes=0-9", undefined],
    [" 0-9", undefined]
  ]
  it.each(rows)("parses %j", (text, span) => {
    expect(Range.parseSpan(text)).toEqual(span)
  })
})

describe("parseUploadOffset", () => {
  const rows: ReadonlyArray<
    readonly [name: string, headers: { readonly [name: string]: string }, offset: number | undefined]
  > = [
    ["a new upload", { range: "0-0" }, 0],
    ["a new upload by arithmetic", { range: "0--1" }, 0],
    ["a new upload with a unit", { range: "bytes=0-0" }, 0],
    ["a new upload with both", { range: "bytes=0--1" }, 0],
    ["the spec's form", { range: "0-9" }, 10],
    ["with a unit", { range: "bytes=0-9" }, 10],
    ["with a unit as in Content-Range", { range: "bytes 0-9" }, 10],
    ["with a unit in capitals", { range: "Bytes=0-9" }, 10],
    ["with spaces", { range: " 0-9 " }, 10],
    ["the last chunk's range alone", { range: "10-19" }, 20],
    ["a count", { "upload-offset": "1" }, 1],
    ["a count in addition to an ambiguous range", { range: "0-0", "upload-offset": "1" }, 1],
    ["a count of nothing", { range: "0-0", "upload-offset": "0" }, 0],
    ["an invalid count", { range: "0-9", "upload-offset": "ten" }, 10],
    ["a count that is not a safe integer", { range: "0-9", "upload-offset": "9007199254740992" }, 10],
    ["nothing", {}, undefined],
    ["an empty range", { range: "" }, undefined],
    ["rubbish", { range: "a-b" }, undefined],
    ["an end without a start", { range: "-9" }, undefined],
    ["a range whose end is not a safe integer", { range: "0-9007199254740991" }, undefined]
  ]
  it.each(rows)("parses %s", (_, headers, offset) => {
    expect(Range.parseUploadOffset(headers)).toBe(offset)
  })

  it("is the inverse of formatUploadOffset", () => {
    fc.assert(
      fc.property(counts, (count) => {
        expect(Range.parseUploadOffset(Range.formatUploadOffset(count))).toBe(count)
      })
    )
  })

  it("formats the range as in the spec", () => {
    expect([0, 1, 10].map((offset) => Range.formatUploadOffset(offset).range)).toEqual(["0-0", "0-0", "0-9"])
  })
})

describe("all parsers", () => {
  const parsers = {
    parseCount: Range.parseCount,
    parseClamped: Range.parseClamped,
    parse: Range.parse,
    parseContentRange: Range.parseContentRange,
    parseSpan: Range.parseSpan,
    parseUploadOffset: (text: string) => Range.parseUploadOffset({ range: text, "upload-offset": text })
  }
  for (const [name, parser] of Object.entries(parsers)) {
    it(`${name} answers to any text`, () => {
      fc.assert(fc.property(texts, (text) => void parser(text)), { numRuns: 2000 })
    })
    it.each(hostileTexts)(`${name} is done with $name in 5 ms`, ({ text }) => {
      expect(quickest(() => parser(text))).toBeLessThan(5)
    })
  }
})
