import * as Answer from "@effect-oci/core/Answer"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import * as ProxyNamespace from "@effect-oci/protocol/ProxyNamespace"
import * as Either from "effect/Either"
import * as report from "./report.js"
import type { Respond } from "./totalResponse.js"
import { total } from "./totalResponse.js"

/** Moves the parameter `ns` of requests into the names of repositories, and refuses unknown namespaces. */
export const apply = (options: ProxyNamespace.Options) => {
  const resolve = ProxyNamespace.make(options)
  return (answer: Respond): Respond =>
    total((request) =>
      Either.match(resolve(request.target), {
        onLeft: (error) => report.refused(request, error, ErrorBody.encode(error)),
        onRight: ({ host, target }) =>
          Answer.map(
            answer({ ...request, target }),
            (response) =>
              host === undefined
                ? response
                : { ...response, headers: { ...response.headers, [ProxyNamespace.header]: host } }
          )
      })
    )
}
