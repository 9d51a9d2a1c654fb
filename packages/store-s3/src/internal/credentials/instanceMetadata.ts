import type { HttpClient } from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Credentials, CredentialsFailed, InstanceMetadataOptions } from "../../S3CredentialsModel.js"
import { ask, credentialsOf, shown, tokenOf } from "./ask.js"
import type { Ask } from "./ask.js"

const Answer = Schema.parseJson(Schema.partial(Schema.Struct({
  AccessKeyId: Schema.String,
  SecretAccessKey: Schema.String,
  Token: Schema.String,
  Expiration: Schema.String
})))

const decode = Schema.decodeOption(Answer)

/** Obtains the credentials of a role as JSON, which instances and containers share. */
const obtainJson = (client: HttpClient, request: Ask): Effect.Effect<Credentials, CredentialsFailed> =>
  Effect.flatMap(ask(client, request), (text) => {
    const answer = decode(text)
    const fields = answer._tag === "Some" ? answer.value : {}
    return credentialsOf(request, {
      accessKeyId: fields.AccessKeyId,
      secretAccessKey: fields.SecretAccessKey,
      sessionToken: fields.Token,
      expiration: fields.Expiration
    })
  })

/** The path of the credentials of an instance, and of the list of its roles. */
const path = "latest/meta-data/iam/security-credentials/"

/** Obtains the credentials of the role of a virtual machine or of a container. */
export const obtain = (
  client: HttpClient,
  { containerToken, containerUrl, endpoint = "http://169.254.169.254" }: InstanceMetadataOptions
): Effect.Effect<Credentials, CredentialsFailed> =>
  Effect.gen(function*() {
    if (containerUrl !== undefined) {
      const source = `the container service ${shown(containerUrl)}`
      return yield* obtainJson(client, {
        method: "GET",
        url: containerUrl,
        headers: containerToken === undefined ? {} : { authorization: yield* tokenOf(containerToken, source) },
        source,
        todo: "check that the container has a role"
      })
    }
    const service = {
      source: `the instance metadata service ${shown(endpoint)}`,
      todo: "check that this machine has a role, and that containers may reach the service (hop limit 2)"
    }
    const base = endpoint.replace(/\/$/, "")
    const token = yield* ask(client, {
      method: "PUT",
      url: `${base}/latest/api/token`,
      headers: { "x-aws-ec2-metadata-token-ttl-seconds": "21600" },
      ...service
    })
    const headers = { "x-aws-ec2-metadata-token": token.trim() }
    const roles = yield* ask(client, { method: "GET", url: `${base}/${path}`, headers, ...service })
    const role = encodeURIComponent(roles.trim().split("\n")[0] ?? "")
    return yield* obtainJson(client, { method: "GET", url: `${base}/${path}${role}`, headers, ...service })
  })
