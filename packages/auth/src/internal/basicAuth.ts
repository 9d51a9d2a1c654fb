import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import type { Basic } from "../Credential.js"

/** Adds a user name and a password to a request, in UTF-8. https://www.rfc-editor.org/rfc/rfc7617#section-2.1 */
export const basicAuth = (
  request: HttpClientRequest.HttpClientRequest,
  { password, username }: Basic
): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.setHeader(
    request,
    "authorization",
    `Basic ${Encoding.encodeBase64(`${username}:${Redacted.value(password)}`)}`
  )
