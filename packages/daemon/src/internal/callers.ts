import * as Issuer from "@effect-oci/guard/Issuer"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Schema from "effect/Schema"

const Rule = Schema.Struct({
  when: Schema.Record({ key: Schema.String, value: Schema.Union(Schema.String, Schema.Array(Schema.String)) }),
  grant: Schema.String
})

const optional = Schema.optional(Schema.String)
const common = { name: optional, audience: optional, keys_url: optional, rules: Schema.Array(Rule) }

/** An issuer of ID tokens in the settings. */
const IssuerSettings = Schema.Union(
  Schema.Struct({ kind: Schema.Literal("github", "gitlab", "kubernetes"), url: optional, ...common }),
  Schema.Struct({ kind: Schema.Literal("google"), ...common }),
  Schema.Struct({ kind: Schema.Literal("azure"), tenant: Schema.String, ...common }),
  Schema.Struct({ kind: Schema.Literal("other"), ...common, name: Schema.String, url: Schema.String })
)

export type IssuerSettings = typeof IssuerSettings.Type

export const issuers = Schema.Array(IssuerSettings).annotations({ parseOptions: { onExcessProperty: "error" } })

/** Returns the issuer that settings describe. `IdTokens.make` checks the claims that its rules name. */
export const issuerOf = (settings: IssuerSettings): Issuer.Issuer => {
  const { audience, keys_url: keysUrl, name, rules } = settings
  // The names of claims are checked when the issuer is used, because a file cannot have their types.
  const options = { audience, keysUrl, name, rules: rules as ReadonlyArray<Issuer.AnyRule> }
  switch (settings.kind) {
    case "github":
    case "gitlab":
    case "kubernetes":
      return Issuer[settings.kind]({ ...options, url: settings.url })
    case "google":
      return Issuer.google(options)
    case "azure":
      return Issuer.azure({ ...options, tenant: settings.tenant })
    case "other":
      return Issuer.make({ ...options, name: settings.name, url: settings.url, claims: Issuer.AnyClaims })
  }
}

/** The common name of a certificate is the name of a user. It cannot be the name of a robot or a workflow. */
export const userOf = ({ commonName = "" }: Wire.Certificate) => /^[\w.@-]+$/.test(commonName) ? commonName : undefined

/** Returns the address that the last proxy saw. Use it only behind a proxy, because any client can send the header. */
export const forwardedFor = ({ headers, remoteAddress }: Wire.Request) =>
  headers["x-forwarded-for"]?.split(",").at(-1)?.trim() ?? remoteAddress
