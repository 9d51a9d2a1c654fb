import { Answer, Caller, Manifest, MediaType, Operation, ReferenceSet, RegistryError } from "@effect-oci/core"
import type { Descriptor, Digest, Registry, RepositoryName } from "@effect-oci/core"
import { LruMap } from "@effect-oci/core/LruMap"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Policy from "../Policy.js"
import { attachments, isAttachment } from "./evidence.js"
import { Verdicts } from "./verdicts.js"

type Error = RegistryError.RegistryError
type Name = RepositoryName.RepositoryName
type Read = Operation.ResolveManifest | Operation.GetManifest

interface Options extends Policy.Limits {
  readonly policies: ReadonlyArray<Policy.Policy>
  readonly unselected: "serve" | "deny"
  readonly registry?: string | undefined
  readonly signatures?: Policy.Signatures | undefined
  readonly timeToLive?: Duration.DurationInput | undefined
  readonly negativeTimeToLive?: Duration.DurationInput | undefined
  readonly maxRemembered?: number | undefined
  readonly attachments?: ReadonlyArray<string> | undefined
}

/** What is known of a digest from manifests that were served: by which policies, and the index that lists it. */
interface Known {
  readonly policies: ReadonlyArray<Policy.Policy>
  readonly index: Descriptor.Descriptor | undefined
}

/** How many children of one index are remembered. */
const maxChildren = 500

/** The tag of a list of referrers, at registries without the referrers API. */
const referrersTag = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{64})$/

/** Decides about each manifest, and remembers what it has decided. */
export class Gatekeeper {
  readonly #verdicts: Verdicts
  readonly #known: LruMap<string, Known>
  readonly #attachments: ReadonlyArray<string>

  /** With `byCaller`, callers share no verdicts, because the next registry answers each of them differently. */
  constructor(
    private readonly upstream: Registry["Type"],
    private readonly options: Options,
    private readonly byCaller: boolean
  ) {
    const maxRemembered = options.maxRemembered ?? 10_000
    this.#known = new LruMap(maxRemembered)
    this.#attachments = options.attachments ?? attachments
    this.#verdicts = new Verdicts({
      maxRemembered,
      timeToLive: Duration.toMillis(options.timeToLive ?? "10 minutes"),
      negativeTimeToLive: Duration.toMillis(options.negativeTimeToLive ?? "10 seconds")
    })
  }

  /** Reads a manifest from the next registry. */
  read(repository: Name, digest: Digest.Digest): Effect.Effect<Manifest.Manifest, Error> {
    return this.upstream.getManifest(repository, digest)
  }

  /** Forgets the verdicts that depend on what is in a repository. */
  forget(repository: Name): void {
    this.#verdicts.forget(repository)
  }

  /**
   * Returns `served` if the manifest may be served, and fails with `Denied` otherwise. `manifest` is the manifest, or reads
   * it.
   */
  check<A>(
    operation: Read,
    descriptor: Descriptor.Descriptor,
    manifest: Manifest.Manifest | Effect.Effect<Manifest.Manifest, Error>,
    served: A
  ): Effect.Effect<A, Error> {
    const { reference, repository } = operation
    const isDigest = Operation.isDigest(reference)
    const selected = this.#select(repository, isDigest ? undefined : reference)
    if (selected.length === 0 && this.options.unselected === "serve") return Answer.succeed(served)
    const policies = selected.length === 0 && isDigest
      ? this.#known.get(knownKey(repository, descriptor.digest))?.policies ?? []
      : selected

    const conclude = (verdicts: ReadonlyArray<Policy.Verdict>, read: Manifest.Manifest | undefined) => {
      const refused = verdicts.filter(({ allowed }) => !allowed)
      if (refused.length > 0) return denied(operation, refused.map(Policy.explain).join("; "), refused)
      this.#remember(repository, descriptor.digest, { policies })
      if (read !== undefined) this.#rememberChildren(repository, read, policies)
      return Answer.succeed(served)
    }

    return Effect.flatMap(Effect.zip(Clock.currentTimeMillis, Caller.Caller), ([now, caller]) => {
      const callers = this.byCaller ? Caller.key(caller) : ""
      const cached = policies.flatMap((policy) => this.#cached(policy, callers, repository, descriptor, now) ?? [])
      if (policies.length > 0 && cached.length === policies.length) {
        return conclude(cached, Effect.isEffect(manifest) ? undefined : manifest)
      }
      return Effect.flatMap(Effect.isEffect(manifest) ? manifest : Answer.succeed(manifest), (read) => {
        if (this.#isAttachment(reference, read)) return Answer.succeed(served)
        if (policies.length === 0) return denied(operation, "no policy selects it", [])
        return Effect.forEach(policies, (policy) => this.#decide(policy, callers, repository, descriptor)).pipe(
          Effect.mapError((error) => {
            const reason = `cannot verify it: ${RegistryError.reason(error)}`
            return RegistryError.withFields(error, { ...Operation.errorFields(operation), reason })
          }),
          Effect.flatMap((verdicts) => conclude(verdicts, read))
        )
      })
    })
  }

  #select(
    repository: Name,
    tag: Exclude<Operation.TagOrDigest, Digest.Digest> | undefined
  ): ReadonlyArray<Policy.Policy> {
    const { policies, registry } = this.options
    return policies.filter(({ select }) => ReferenceSet.contains(select, { registry, repository, tag }))
  }

  #isAttachment(reference: Operation.TagOrDigest, manifest: Manifest.Manifest): boolean {
    return isAttachment(manifest, this.#attachments) || (referrersTag.test(reference) && isIndex(manifest.descriptor))
  }

  /** Returns the index that was served and lists a digest. */
  #indexOf(repository: Name, { digest }: Descriptor.Descriptor): Descriptor.Descriptor | undefined {
    return this.#known.get(knownKey(repository, digest))?.index
  }

  /** Returns the remembered verdict about a manifest, or about an index that covers it. */
  #cached(
    policy: Policy.Policy,
    callers: string,
    repository: Name,
    descriptor: Descriptor.Descriptor,
    now: number
  ): Policy.Verdict | undefined {
    const own = this.#verdicts.known(subject(policy, callers, repository, descriptor), now)
    if (own?.allowed === true) return own
    const index = this.#indexOf(repository, descriptor)
    if (index === undefined) return own
    const verdict = this.#cached(policy, callers, repository, index, now)
    return verdict?.allowed === false ? own : verdict
  }

  /** Returns the verdict about an index that covers a manifest if it is satisfied, or else about the manifest. */
  #decide(
    policy: Policy.Policy,
    callers: string,
    repository: Name,
    descriptor: Descriptor.Descriptor
  ): Effect.Effect<Policy.Verdict, Error> {
    const { signatures } = this.options
    const verify = Policy.verify({ registry: this.upstream, repository, descriptor, signatures }, policy, this.options)
    const own = this.#verdicts.get(
      subject(policy, callers, repository, descriptor),
      this.byCaller ? verify : Effect.provideService(verify, Caller.Caller, Caller.anonymous)
    )
    const index = this.#indexOf(repository, descriptor)
    if (index === undefined) return own
    return Effect.flatMap(
      this.#decide(policy, callers, repository, index),
      (verdict) => verdict.allowed ? Effect.succeed(verdict) : own
    )
  }

  #remember(repository: Name, digest: Digest.Digest, { index, policies }: Partial<Known>): void {
    const key = knownKey(repository, digest)
    const before = this.#known.get(key)
    this.#known.set(key, { policies: policies ?? [], index: index ?? before?.index })
  }

  #rememberChildren(repository: Name, manifest: Manifest.Manifest, policies: ReadonlyArray<Policy.Policy>): void {
    const { bytes, descriptor } = manifest
    if (!isIndex(descriptor)) return
    const parsed = Manifest.parse({ mediaType: descriptor.mediaType, bytes })
    if (Either.isLeft(parsed) || parsed.right._tag !== "Index") return
    for (const { digest } of parsed.right.manifests.slice(0, maxChildren)) {
      this.#remember(repository, digest, { policies, index: descriptor })
    }
  }
}

const knownKey = (repository: Name, digest: Digest.Digest): string => `${repository} ${digest}`

const subject = (
  policy: Policy.Policy,
  callers: string,
  repository: Name,
  { digest, mediaType }: Descriptor.Descriptor
) => ({
  policy: policy.name,
  callers,
  repository,
  digest,
  mediaType
})

const isIndex = ({ mediaType }: Descriptor.Descriptor): boolean =>
  mediaType === MediaType.index || mediaType === MediaType.dockerList

const denied = (operation: Read, reason: string, detail: ReadonlyArray<Policy.Verdict>): Effect.Effect<never, Error> =>
  Answer.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason, detail }))
