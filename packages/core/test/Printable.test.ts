import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { redact } from "../src/index.js"

describe("redact", () => {
  it.each([
    { name: "prose", text: "manifest unknown to registry", expected: "manifest unknown to registry" },
    { name: "a question", text: "gone? try a=b", expected: "gone? try a=b" },
    { name: "a reference", text: "team/app@sha256:ab: unknown", expected: "team/app@sha256:ab: unknown" },
    { name: "a plain URL", text: "at https://cdn.example/v2/x", expected: "at https://cdn.example/v2/x" },
    { name: "a signed URL", text: "https://s3/x?X-Amz-Signature=abc&a=b failed", expected: "https://s3/x?… failed" },
    {
      name: "the state of an upload",
      text: "PUT /v2/a/blobs/uploads/?_state=abc",
      expected: "PUT /v2/a/blobs/uploads/?…"
    },
    { name: "a URL in quotes", text: "(\"https://s3/x?s=abc\")", expected: "(\"https://s3/x?…\")" },
    { name: "a fragment", text: "https://s3/x#access_token=abc", expected: "https://s3/x?…" },
    { name: "user information", text: "https://me:secret@ghcr.io/v2/", expected: "https://ghcr.io/v2/" },
    { name: "an at sign in a password", text: "https://me:sec@ret@ghcr.io/v2/", expected: "https://ghcr.io/v2/" },
    { name: "control characters", text: "a\u001b[2J\r\nb", expected: "a\\u001b[2J\\u000d\\u000ab" },
    { name: "the secret", text: "upload 12-34 of 12-34", secret: "12-34", expected: "upload … of …" },
    { name: "an empty secret", text: "upload", secret: "", expected: "upload" },
    { name: "a secret with a query", text: "at /up?id=1&_state=abc", secret: "/up?id=1&_state=abc", expected: "at …" }
  ])("$name", ({ expected, secret, text }: { text: string; expected: string; secret?: string }) => {
    expect(redact(text, secret)).toBe(expected)
  })

  it("cuts long text", () => {
    expect(redact("x".repeat(1_000_000))).toHaveLength(2049)
  })

  it("is idempotent", () => {
    const pieces = fc.constantFrom("https://", "//", "a:b@", "?", "#", "k=v", "&", " ", "\u001b", "\"", "=", "x", "/")
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        const once = redact(parts.join(""))
        expect(redact(once)).toBe(once)
      }),
      { examples: [[["https://", "a:b@", "/", "a:b@"]], [["https://", "?", "/", "=", "\"", "a:b@"]]], numRuns: 1000 }
    )
  })

  it.each(["?", "#", "//", "?=", "//a@", "?a", "=?", "@/"])("runs in linear time for repetitions of %s", (piece) => {
    const took = (times: number) => {
      const text = piece.repeat(times)
      const start = performance.now()
      redact(text)
      return performance.now() - start
    }
    took(1000)
    expect(took(1_000_000)).toBeLessThan(2000)
  })
})
