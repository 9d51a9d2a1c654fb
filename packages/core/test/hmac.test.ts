import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { createHmac } from "node:crypto"
import * as hmac from "../src/internal/hmac.js"

describe("an HMAC", () => {
  it("equals the one of Node, for keys shorter and longer than a block, and for repeated use", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 3 }),
        (key, contents) => {
          const sign = hmac.make(key)
          for (const content of contents) {
            expect(sign(content)).toBe(createHmac("sha256", key).update(content).digest("hex"))
          }
        }
      )
    )
  })
})
