import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"

let key: Redacted.Redacted<string> | undefined

/**
 * Returns the random key of this process. So a client that is created again, for example by a pool, still accepts the
 * ids of its uploads. The key is created at the first use, because a worker has no random numbers while its modules
 * load.
 */
export const processKey = (): Redacted.Redacted<string> =>
  key ??= Redacted.make(Encoding.encodeBase64(crypto.getRandomValues(new Uint8Array(32))))
