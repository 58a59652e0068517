// Removes something for good: asks first, says that it is done, and has the list show it.

import { remove } from "./api.js";
import { confirm, Question } from "./dialog.js";
import { View } from "./view.js";

export interface Removal extends Question {
  address: string;
  done: string; // what is said then
}

export async function removeAfterAsking(view: View, removal: Removal, load: () => Promise<void>): Promise<void> {
  if (!(await confirm(removal))) return;
  await remove(removal.address);
  view.say(removal.done);
  await load();
}
