import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { BlobContent, verify } from "../src/BlobContent.js"
import * as Body from "../src/Body.js"
import * as Digest from "../src/Digest.js"
import * as Operation from "../src/Operation.js"
import * as RepositoryName from "../src/RepositoryName.js"

const text = (content: string): Uint8Array => new TextEncoder().encode(content)

const content = text("content")
const digest = Digest.fromBytes(content)
const descriptor = { mediaType: "application/octet-stream", digest, size: content.byteLength }
const repository = RepositoryName.make("team/app")

describe("BlobContent.verify", () => {
  const wrong = Body.bytes(text("CONTENT"))
  const unverified = new BlobContent({ descriptor, body: wrong, verified: false })

  it.each([
    { name: "what is verified", content: new BlobContent({ descriptor, body: wrong, verified: true }) },
    {
      name: "a range",
      content: new BlobContent({ descriptor, body: wrong, range: { offset: 0, length: 7 }, verified: false })
    }
  ])("leaves $name as it is", ({ content }) => {
    expect(verify(content)).toBe(content)
  })

  it("marks the content as verified, and verifies it only once", () => {
    const verified = verify(unverified)
    expect(verified).toMatchObject({ descriptor, range: undefined, verified: true })
    expect(verify(verified)).toBe(verified)
  })

  it.effect.each([
    { name: "of the digest", fields: undefined, message: digest },
    {
      name: "of the operation, where it is known",
      fields: Operation.errorFields(new Operation.GetBlob({ repository, digest })),
      message: `GetBlob team/app@${digest}`
    }
  ])("fails where the content is another, and tells $name", ({ fields, message }) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(verify(unverified, fields).stream))
      expect(error.message).toBe(
        `${message}: content does not match its digest, it has ${Digest.fromBytes(text("CONTENT"))}`
      )
    }))
})

describe("BlobContent.stream", () => {
  it("returns the stream of the body", () => {
    const body = Body.stream(Stream.make(content))
    expect(new BlobContent({ descriptor, body, verified: true }).stream).toBe(body.stream)
  })
})
