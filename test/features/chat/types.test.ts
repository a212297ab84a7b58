import { describe, expectTypeOf, it } from "vitest";
import type { ChatNamespace, HistoryPage, NewMessage } from "../../../src/features/index.ts";
import type { InputOf, OutputOf } from "../../../src/protocol/index.ts";

type Messages = ChatNamespace["messages"];
type Sent<T extends keyof Messages> = Messages[T] extends { readonly payload?: infer P }
  ? InputOf<NonNullable<P>>
  : never;
type Acked<T extends keyof Messages> = Messages[T] extends { readonly ack?: infer A }
  ? OutputOf<NonNullable<A>>
  : never;

describe("ChatNamespace", () => {
  it("tells the client what it may send, what comes and what the ack holds", () => {
    expectTypeOf<Sent<"send_message">>().toEqualTypeOf<{
      content: string;
      replyTo?: number | null | undefined;
      mentions?: string[] | undefined;
    }>();
    expectTypeOf<Sent<"add_reaction">>().toEqualTypeOf<{ seq: number; emoji: string }>();
    expectTypeOf<Acked<"load_history">>().toEqualTypeOf<HistoryPage>();
    expectTypeOf<OutputOf<ChatNamespace["events"]["new_message"]>>().toEqualTypeOf<NewMessage>();
    expectTypeOf<keyof ChatNamespace["state"]>().toEqualTypeOf<"typing" | "read">();
    expectTypeOf<keyof ChatNamespace["events"]>().toEqualTypeOf<
      "new_message" | "message_edited" | "message_deleted" | "reaction_changed"
    >();
  });
});
