import type { HttpClient } from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type { Credentials, CredentialsFailed, WebIdentityOptions } from "../../S3CredentialsModel.js"
import * as xml from "../xml.js"
import { ask, credentialsOf, shown, tokenOf } from "./ask.js"
import type { Ask } from "./ask.js"

/** Obtains credentials for the token of an identity provider. The request is not signed. */
export const obtain = (
  client: HttpClient,
  {
    endpoint = "https://sts.amazonaws.com",
    roleArn,
    sessionName = "effect-oci",
    token
  }: WebIdentityOptions
): Effect.Effect<Credentials, CredentialsFailed> =>
  Effect.gen(function*() {
    const source = `the token service ${shown(endpoint)} for the role ${roleArn}`
    const request: Ask = {
      method: "POST",
      url: endpoint,
      form: {
        Action: "AssumeRoleWithWebIdentity",
        Version: "2011-06-15",
        RoleArn: roleArn,
        RoleSessionName: sessionName,
        WebIdentityToken: yield* tokenOf(token, source)
      },
      source,
      todo: "check that the role trusts the identity provider, and that the token has not expired"
    }
    const answer = xml.parse(yield* ask(client, request))
    const field = (name: string) => answer?.text("AssumeRoleWithWebIdentityResult", "Credentials", name)
    return yield* credentialsOf(request, {
      accessKeyId: field("AccessKeyId"),
      secretAccessKey: field("SecretAccessKey"),
      sessionToken: field("SessionToken"),
      expiration: field("Expiration")
    })
  })
