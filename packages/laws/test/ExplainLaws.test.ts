import { Explain } from "@effect-oci/explain"
import { Transport } from "@effect-oci/transport"
import { HttpClient } from "@effect/platform"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ExplainLaws from "../src/ExplainLaws.js"

const broken: { readonly [name: string]: ExplainLaws.Explaining } = {
  "counts each request once": (program) =>
    Effect.map(Explain.run(program), ({ exit, explanation }) => ({
      exit,
      explanation: { ...explanation, requests: explanation.requests.map((request) => ({ ...request, count: 1 })) }
    })),
  "does not report deletes": (program) =>
    Effect.map(Explain.run(program), ({ exit, explanation }) => ({
      exit,
      explanation: {
        ...explanation,
        requests: explanation.requests.filter(({ method, path }) => method !== "DELETE" || path.includes("/uploads/"))
      }
    })),
  "sends the writes": (program) => Effect.zipLeft(Explain.run(program), Effect.ignore(program)),
  "forgets what was mounted": (program) => {
    const refuse = Transport.make((request, send) =>
      request.url.includes("mount=")
        ? Effect.succeed(HttpClientResponse.fromWeb(request, new Response(null, { status: 404 })))
        : send(request)
    )
    return Explain.run(Effect.updateService(program, HttpClient.HttpClient, refuse))
  }
}

describe("explanations", () => {
  it.live("are what random programs then ask", () => ExplainLaws.explained({ runs: 30 }), 60_000)

  for (const [name, explain] of Object.entries(broken)) {
    it.live(
      `the law finds an explanation that ${name}`,
      () =>
        Effect.map(Effect.flip(ExplainLaws.explained({ explain, runs: 60 })), ({ message }) => {
          expect(message).toMatch(/not asked|not explained|changed/)
        }),
      60_000
    )
  }
})
