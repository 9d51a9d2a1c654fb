import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Link from "../src/Link.js"
import { hostileTexts, quickest, texts } from "./hostile.js"

const page = "/v2/app/tags/list?n=2&last=b"

describe("next", () => {
  const rows: ReadonlyArray<readonly [header: string | undefined, target: string | undefined]> = [
    [undefined, undefined],
    ["", undefined],
    [`<${page}>; rel="next"`, page],
    [`<${page}>; rel=next`, page],
    [`<${page}>;rel=next`, page],
    [`<${page}> ; rel = "next"`, page],
    [`  <${page}>\t;\trel="next"  `, page],
    [`<${page}>; REL="NEXT"`, page],
    [`<${page}>; rel="prev next"`, page],
    [`<${page}>; rel="last  next"`, page],
    [`<${page}>; rel="next";`, page],
    [`<${page}>;; rel="next"`, page],
    [`<${page}>; title="a, b; c"; rel="next"`, page],
    [`<${page}>; title="a \\" b"; rel="next"`, page],
    [`<${page}>; title*=UTF-8''n%c3%a4chste; rel="next"`, page],
    [`<${page}>; crossorigin; rel="next"`, page],
    [`<https://registry.example${page}>; rel="next"`, `https://registry.example${page}`],
    [`<//other.example${page}>; rel="next"`, `//other.example${page}`],
    [`<?last=b>; rel="next"`, "?last=b"],
    [`<>; rel="next"`, ""],
    [`</a,b;c>; rel="next"`, "/a,b;c"],
    [`</first>; rel="first", <${page}>; rel="next"`, page],
    [`</first>; rel="first",<${page}>; rel="next", </last>; rel="last"`, page],
    [`, ,<${page}>; rel="next",`, page],
    [`</one>; rel="next", </two>; rel="next"`, "/one"],
    // RFC 8288, section 3.3: only the first relation of a link counts.
    [`</one>; rel="prev"; rel="next"`, undefined],
    [`<${page}>`, undefined],
    [`<${page}>; rel=""`, undefined],
    [`<${page}>; rel`, undefined],
    [`<${page}>; rel="nextpage"`, undefined],
    [`<${page}>; rev="next"`, undefined],
    [`<${page}>; title="; rel=next"`, undefined],
    [`<${page}>; title="\\"; rel=next"`, undefined],
    [`</one>; rel="prev"`, undefined],
    // Malformed before the next link.
    [page, undefined],
    [`${page}; rel="next"`, undefined],
    [`<${page}; rel="next"`, undefined],
    [`<${page}>; rel="next`, undefined],
    [`<${page}> rel="next"`, undefined],
    [`<${page}>; rel="next" x`, undefined],
    [`</one>; a="b"c, <${page}>; rel="next"`, undefined],
    // Malformed after the next link.
    [`<${page}>; rel="next", <`, page],
    [`<${page}>; rel="next", rubbish`, page]
  ]
  it.each(rows)("of %j is %j", (header, target) => {
    expect(Link.next(header)).toBe(target)
  })

  it("ignores a header that is too long", () => {
    const header = `<${page}>; rel="next"`
    expect(Link.next(header.padEnd(Link.maxLength))).toBe(page)
    expect(Link.next(header.padEnd(Link.maxLength + 1))).toBe(undefined)
  })

  it("is the inverse of format", () => {
    const targets = fc.oneof(fc.webPath(), fc.webUrl({ withQueryParameters: true }), fc.constant(page))
    fc.assert(
      fc.property(targets, (target) => {
        expect(Link.next(Link.format(target))).toBe(target)
      })
    )
  })
})

describe("parse", () => {
  const rows: ReadonlyArray<readonly [header: string | undefined, links: Link.Links]> = [
    [undefined, { links: [], malformed: false }],
    [" , ", { links: [], malformed: false }],
    [`</a>; rel="prev Next"`, { links: [{ target: "/a", relations: ["prev", "next"] }], malformed: false }],
    [
      `</a>, </b>; rel=last`,
      { links: [{ target: "/a", relations: [] }, { target: "/b", relations: ["last"] }], malformed: false }
    ],
    [`</a>; rel=next, /b`, { links: [{ target: "/a", relations: ["next"] }], malformed: true }],
    ["/a", { links: [], malformed: true }],
    ["</a", { links: [], malformed: true }],
    [`</a>; rel="`, { links: [], malformed: true }]
  ]
  it.each(rows)("parses %j", (header, links) => {
    expect(Link.parse(header)).toEqual(links)
  })

  it("treats a header that is too long as malformed", () => {
    expect(Link.parse(`</a>`.padEnd(Link.maxLength)).malformed).toBe(false)
    expect(Link.parse(`</a>`.padEnd(Link.maxLength + 1)).malformed).toBe(true)
  })

  it("never throws", () => {
    fc.assert(fc.property(texts, (text) => void Link.parse(text)), { numRuns: 5000 })
    fc.assert(fc.property(texts, (text) => void Link.parse(`</a>;${text}`)), { numRuns: 5000 })
  })

  it.each(hostileTexts)("parses $name in 5 ms", ({ text }) => {
    // The longest header that is not refused for its length.
    const cut = text.slice(0, Link.maxLength - 1) + text.slice(-1)
    expect(quickest(() => Link.parse(cut))).toBeLessThan(5)
    expect(quickest(() => Link.parse(text))).toBeLessThan(5)
  })
})
