import { describe, expect, it } from "@effect/vitest"
import { Equal } from "effect"
import * as Origin from "../src/Origin.js"

describe("Origin.parse", () => {
  const same: ReadonlyArray<readonly [url: string, origin: string]> = [
    ["https://example.com/v2/", "https://example.com"],
    ["HTTPS://EXAMPLE.com", "https://example.com"],
    ["https://example.com:443", "https://example.com"],
    ["https://example.com:0443", "https://example.com"],
    ["https://example.com.", "https://example.com"],
    ["https://example.com.:5000/x?y#z", "https://example.com:5000"],
    ["https://user:secret@example.com/", "https://example.com"],
    ["http://example.com:80", "http://example.com"],
    ["http://example.com:443", "http://example.com:443"],
    ["https://bücher.example", "https://xn--bcher-kva.example"],
    ["https://EXAMPLE.com\\@evil.example", "https://example.com"],
    ["http://127.1:5000", "http://127.0.0.1:5000"],
    ["http://0x7f000001", "http://127.0.0.1"],
    ["http://[::1]:5000", "http://[::1]:5000"],
    ["http://[0:0:0:0:0:0:0:1]:5000", "http://[::1]:5000"]
  ]
  it.each(same)("parses %s to %s", (url, origin) => {
    const parsed = Origin.parse(url)
    expect(String(parsed)).toBe(origin)
    expect(Origin.parse(new URL(url))).toEqual(parsed)
    expect(Equal.equals(parsed, Origin.parse(origin))).toBe(true)
  })

  const none = [
    "",
    "example.com",
    "/v2/",
    "https://",
    "https://.",
    "ftp://example.com",
    "file:///x",
    "data:,x",
    "https://[fe80::1%25eth0]/",
    "https://example.com:70000"
  ]
  it.each(none)("returns undefined for %j", (url) => {
    expect(Origin.parse(url)).toBeUndefined()
  })

  it("returns different origins for different schemes, hosts and ports", () => {
    const origins = ["https://a.example", "http://a.example", "https://b.a.example", "https://a.example:444"]
      .map((url) => Origin.parse(url)!)
    for (const one of origins) {
      expect(origins.filter((other) => Equal.equals(one, other))).toEqual([one])
    }
    expect(origins.map(Origin.authority)).toEqual(["a.example", "a.example", "b.a.example", "a.example:444"])
  })
})
