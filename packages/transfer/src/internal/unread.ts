import type { Descriptor } from "@effect-oci/core"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Stream from "effect/Stream"

/** An event of one piece of content, or of the whole copy. */
interface Told {
  readonly _tag: string
  readonly descriptor?: Descriptor.Descriptor
}

/** An event in the queue. Until it is read, newer progress of the same content replaces it. */
interface Unread<A> {
  event: A
  isRead: boolean
}

/** Creates a queue of unread events. To save memory, it keeps only the newest `Moved` event of each content. */
export const make = <A extends Told, E = never>() =>
  Effect.map(Mailbox.make<Unread<A>, E>(), (mailbox) => {
    const moving = new Map<string, Unread<A>>()
    return {
      mailbox,
      tell: (event: A): void => {
        const digest = event.descriptor?.digest
        const before = digest === undefined ? undefined : moving.get(digest)
        if (event._tag === "Moved" && before?.isRead === false) {
          before.event = event
          return
        }
        const unread = { event, isRead: false }
        if (digest !== undefined) {
          if (event._tag === "Moved") moving.set(digest, unread)
          else moving.delete(digest)
        }
        mailbox.unsafeOffer(unread)
      }
    }
  })

/** Returns the events as a stream, in order. */
export const stream = <A, E>(mailbox: Mailbox.ReadonlyMailbox<Unread<A>, E>): Stream.Stream<A, E> =>
  Stream.map(Mailbox.toStream(mailbox), (unread) => {
    unread.isRead = true
    return unread.event
  })
