import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"

let key: Redacted.Redacted<string> | undefined

/**
 * Returns the random key of this process, so that a client that is built again, such as by a pool, still knows its
 * uploads. The key is made at the first use: a worker has no random numbers while its modules load.
 */
export const processKey = (): Redacted.Redacted<string> =>
  key ??= Redacted.make(Encoding.encodeBase64(crypto.getRandomValues(new Uint8Array(32))))
