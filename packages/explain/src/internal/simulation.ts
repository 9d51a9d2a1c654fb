import { AuthScope, RegistryError } from "@effect-oci/core"
import { RedirectedFrom } from "@effect-oci/transport/Redirect"
import * as Transport from "@effect-oci/transport/Transport"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { Host } from "./host.js"
import { describe } from "./request.js"
import type { OtherRequest, RegistryRequest } from "./request.js"
import type { Line, Requests } from "./requests.js"

const lineOf = (asked: RegistryRequest | OtherRequest, sent: boolean): Line => ({
  kind: asked.kind,
  registry: asked.registry,
  repository: asked.kind === "registry" && "name" in asked.route ? asked.route.name : undefined,
  method: asked.method,
  path: asked.path,
  scope: AuthScope.format(AuthScope.canonical(asked.scope)),
  sent
})

type Response = Effect.Effect<HttpClientResponse, HttpClientError.HttpClientError>

/** Counts a request when it has been answered, unless the answer asks for a token. */
const counted = (requests: Requests, line: Line, response: Response): Response =>
  Effect.suspend(() => {
    const count = requests.add(line)
    return Effect.tapBoth(response, {
      onFailure: () => Effect.sync(count),
      onSuccess: ({ status }) => status === 401 ? Effect.void : Effect.sync(count)
    })
  })

const isSafe = (method: string): boolean => method === "GET" || method === "HEAD"

const refused = (request: HttpClientRequest, { registry }: OtherRequest) =>
  new HttpClientError.RequestError({
    request,
    reason: "Transport",
    cause: new RegistryError.Refused({
      by: "Explain",
      reason: `a ${request.method} request to ${registry} was not sent: it may change something, and its path is not ` +
        "one of the distribution API"
    })
  })

/**
 * Returns an HTTP client that sends the requests that read, and answers those that write. `sizes` receives the sizes of
 * content that manifests name.
 */
export const simulate = (
  base: HttpClient.HttpClient,
  requests: Requests,
  sizes: Map<string, number>
): HttpClient.HttpClient => {
  const hosts = new Map<string, Host>()
  const hostOf = (asked: RegistryRequest): Effect.Effect<Host> =>
    Effect.suspend(() => {
      const known = hosts.get(asked.registry)
      return known !== undefined
        ? Effect.succeed(known)
        : Effect.map(Host.make(asked, base, sizes), (made) => {
          const host = hosts.get(asked.registry) ?? made
          hosts.set(asked.registry, host)
          return host
        })
    })
  return Transport.make((request, send) =>
    Effect.flatMap(RedirectedFrom, (from) => {
      const asked = describe(request, from)
      if (asked === undefined) return send(request)
      if (asked.kind !== "registry") {
        const mayBeSent = isSafe(asked.method) || asked.kind === "token"
        return counted(requests, lineOf(asked, mayBeSent), mayBeSent ? send(request) : refused(request, asked))
      }
      return Effect.flatMap(hostOf(asked), (host) => {
        const isAnswered = !isSafe(asked.method) || host.answers(asked)
        const response = isAnswered
          ? host.answer(request, asked)
          : Effect.flatMap(send(request), (response) => host.learn(asked, response))
        return counted(requests, lineOf(asked, !isAnswered), response)
      })
    })
  )(base)
}
