/**
 * Issuers of ID tokens: CI systems, Kubernetes clusters and clouds, whose workloads prove who they are without a stored
 * secret. Each issuer has rules: which claims of a token grant what.
 *
 * @since 0.1.0
 */
import type * as AuthScope from "@effect-oci/core/AuthScope"
import * as Schema from "effect/Schema"

/**
 * A rule of an issuer. It applies to a token whose claims meet all conditions.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rule<Claims> {
  /**
   * The claims that a token must have, each as one text or several alternatives. In a text, `*` is any characters except
   * `/` and `:`, and `**` any characters. If the claim is a list, one of its items must match. Compare the claim that
   * names the owner, such as `repository_owner`: without conditions, a rule applies to every token that the issuer signs
   * for this registry, and anyone can have an account at a public issuer.
   */
  readonly when: { readonly [Claim in keyof Claims]?: string | ReadonlyArray<string> | undefined }
  /**
   * What the rule grants: permissions as `Policy.parse` reads them, in which `{claim}` is a part of the name of a
   * repository, such as `repository:{repository}:pull,push`. A permission grants nothing if one of its claims is missing
   * or is not a repository name, such as `*` or `../x`. Or a function that returns a scope: create the scope by
   * `AuthScope.repository`, not by parsing a text with claims.
   */
  readonly grant: string | ((claims: Claims) => AuthScope.AuthScope)
}

/**
 * A rule whose claims are not known to the compiler, such as a rule from a file. `IdTokens.make` checks their names.
 *
 * @since 0.1.0
 * @category models
 */
// oxlint-disable-next-line typescript/no-explicit-any -- A rule of any issuer, like `Schema.Schema.Any`.
export type AnyRule = Rule<any>

/**
 * An issuer of ID tokens, for `IdTokens.make`.
 *
 * @since 0.1.0
 * @category models
 */
// oxlint-disable-next-line typescript/no-explicit-any -- An issuer of any kind, like `Schema.Schema.Any`.
export interface Issuer<Claims = any> {
  /**
   * The name that the callers of this issuer have before their subject: `github:repo:team/app:ref:refs/heads/main`. Lower
   * case letters, digits and `-`. A user of an htpasswd file cannot have such a name, because it contains a colon.
   */
  readonly name: string
  /** The claim `iss` of the tokens, and the URL of the issuer. */
  readonly url: string
  /** The claims that rules can use. A token that the schema does not decode is refused. */
  // oxlint-disable-next-line typescript/no-explicit-any -- `IdTokens` decodes unknown values only.
  readonly claims: Schema.Schema<Claims, any>
  readonly rules: ReadonlyArray<Rule<Claims>>
  /** The audience that the tokens must have: the claim `aud`. Default: the audience of `IdTokens.make`. */
  readonly audience?: string | undefined
  /**
   * The URL of the JSON Web Key Set of the issuer. Default: the URL in the document at
   * `/.well-known/openid-configuration` of the issuer.
   */
  readonly keysUrl?: string | undefined
  /**
   * Whether the names of the issuer are the same in upper and lower case, so that a permission has them in lower case.
   * Default: `false`.
   */
  readonly ignoreCase?: boolean | undefined
}

/**
 * Options for the issuers that this module knows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Claims> extends Pick<Issuer, "audience" | "keysUrl"> {
  readonly rules: ReadonlyArray<Rule<Claims>>
  /** Default: the name of the function, such as `github`. Set it if there are several issuers of one kind. */
  readonly name?: string | undefined
}

const optional = Schema.optional(Schema.String)

/**
 * The claims of a workflow of GitHub Actions:
 * [OpenID Connect](https://docs.github.com/en/actions/reference/security/oidc).
 *
 * @since 0.1.0
 * @category schemas
 */
export const GitHubClaims = Schema.Struct({
  sub: Schema.String,
  repository: Schema.String,
  repository_id: optional,
  repository_owner: Schema.String,
  repository_owner_id: optional,
  repository_visibility: optional,
  ref: optional,
  ref_type: optional,
  ref_protected: optional,
  base_ref: optional,
  head_ref: optional,
  sha: optional,
  environment: optional,
  event_name: optional,
  workflow: optional,
  workflow_ref: optional,
  job_workflow_ref: optional,
  runner_environment: optional,
  actor: optional,
  actor_id: optional,
  enterprise: optional
})

/**
 * The claims of a job of GitLab CI:
 * [ID tokens](https://docs.gitlab.com/ci/secrets/id_token_authentication/).
 *
 * @since 0.1.0
 * @category schemas
 */
export const GitLabClaims = Schema.Struct({
  sub: Schema.String,
  project_path: Schema.String,
  project_id: optional,
  project_visibility: optional,
  namespace_path: Schema.String,
  namespace_id: optional,
  ref: optional,
  ref_type: optional,
  ref_path: optional,
  ref_protected: optional,
  environment: optional,
  environment_protected: optional,
  deployment_tier: optional,
  pipeline_source: optional,
  ci_config_ref_uri: optional,
  runner_environment: optional,
  user_login: optional,
  user_id: optional,
  sha: optional
})

/**
 * The claims of a service account of Kubernetes, from the claim `kubernetes.io`:
 * [bound tokens](https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/).
 *
 * @since 0.1.0
 * @category schemas
 */
export const KubernetesClaims = Schema.transform(
  Schema.Struct({
    sub: Schema.String,
    "kubernetes.io": Schema.Struct({
      namespace: Schema.String,
      serviceaccount: Schema.Struct({ name: Schema.String })
    })
  }),
  Schema.Struct({ sub: Schema.String, namespace: Schema.String, serviceaccount: Schema.String }),
  {
    strict: true,
    decode: ({ "kubernetes.io": { namespace, serviceaccount }, sub }) => ({
      sub,
      namespace,
      serviceaccount: serviceaccount.name
    }),
    encode: ({ namespace, serviceaccount, sub }) => ({
      sub,
      "kubernetes.io": { namespace, serviceaccount: { name: serviceaccount } }
    })
  }
)

/**
 * The claims of an account of Google, such as a service account:
 * [ID tokens](https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload).
 *
 * @since 0.1.0
 * @category schemas
 */
export const GoogleClaims = Schema.Struct({
  sub: Schema.String,
  azp: optional,
  email: optional,
  email_verified: Schema.optional(Schema.Boolean),
  hd: optional
})

/**
 * The claims of an application or a managed identity of Microsoft Entra:
 * [claims](https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference).
 *
 * @since 0.1.0
 * @category schemas
 */
export const AzureClaims = Schema.Struct({
  sub: Schema.String,
  oid: optional,
  tid: Schema.String,
  azp: optional,
  appid: optional,
  roles: Schema.optional(Schema.Array(Schema.String)),
  groups: Schema.optional(Schema.Array(Schema.String))
})

/**
 * The claims of any issuer.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AnyClaims = Schema.Record({ key: Schema.String, value: Schema.Unknown })

/**
 * Creates an issuer with a schema of its claims.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Claims>(issuer: Issuer<Claims>): Issuer<Claims> => issuer

/**
 * Creates the issuer of workflows of GitHub Actions. `url` is the issuer of a GitHub Enterprise Server,
 * `https://HOST/_services/token`. Default: GitHub.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Issuer } from "@effect-oci/guard"
 *
 * // A workflow on the main branch of a repository of `team` pushes to the repository of the same name.
 * const github = Issuer.github({
 *   rules: [{
 *     when: { repository_owner: "team", ref: "refs/heads/main" },
 *     grant: "repository:{repository}:pull,push"
 *   }]
 * })
 * ```
 */
export const github = (
  options: Options<typeof GitHubClaims.Type> & { readonly url?: string | undefined }
): Issuer<typeof GitHubClaims.Type> => ({
  ...options,
  name: options.name ?? "github",
  url: options.url ?? "https://token.actions.githubusercontent.com",
  claims: GitHubClaims,
  ignoreCase: true
})

/**
 * Creates the issuer of jobs of GitLab CI. `url` is the URL of another GitLab. Default: `https://gitlab.com`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const gitlab = (
  options: Options<typeof GitLabClaims.Type> & { readonly url?: string | undefined }
): Issuer<typeof GitLabClaims.Type> => ({
  ...options,
  name: options.name ?? "gitlab",
  url: options.url ?? "https://gitlab.com",
  claims: GitLabClaims,
  ignoreCase: true
})

/**
 * Creates the issuer of the service accounts of a Kubernetes cluster. `url` is the option `--service-account-issuer` of
 * its API server. Default: `https://kubernetes.default.svc.cluster.local`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const kubernetes = (
  options: Options<typeof KubernetesClaims.Type> & { readonly url?: string | undefined }
): Issuer<typeof KubernetesClaims.Type> => ({
  ...options,
  name: options.name ?? "kubernetes",
  url: options.url ?? "https://kubernetes.default.svc.cluster.local",
  claims: KubernetesClaims
})

/**
 * Creates the issuer of the accounts of Google.
 *
 * @since 0.1.0
 * @category constructors
 */
export const google = (options: Options<typeof GoogleClaims.Type>): Issuer<typeof GoogleClaims.Type> => ({
  ...options,
  name: options.name ?? "google",
  url: "https://accounts.google.com",
  claims: GoogleClaims
})

/**
 * Creates the issuer of a tenant of Microsoft Entra (Azure), for tokens of version 2. `audience` is the id of the
 * application that stands for the registry.
 *
 * @since 0.1.0
 * @category constructors
 */
export const azure = (
  options: Options<typeof AzureClaims.Type> & { readonly tenant: string }
): Issuer<typeof AzureClaims.Type> => ({
  ...options,
  name: options.name ?? "azure",
  url: `https://login.microsoftonline.com/${options.tenant}/v2.0`,
  claims: AzureClaims
})
