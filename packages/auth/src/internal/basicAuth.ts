import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import type { Basic } from "../Credential.js"

/** A request with a user and a password, which may be of any alphabet. RFC 7617, section 2.1. */
export const basicAuth = (
  request: HttpClientRequest.HttpClientRequest,
  { password, username }: Basic
): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.setHeader(
    request,
    "authorization",
    `Basic ${Encoding.encodeBase64(`${username}:${Redacted.value(password)}`)}`
  )
