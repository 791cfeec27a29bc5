package check

import (
	"slices"
	"strings"
	"testing"
)

// boundTasks are requests in the style of instruction sets, with the tasks that they must be taken for.
var boundTasks = []struct{ task, instruction string }{
	{"constraint", "Write a sentence in which every word starts with the letter S."},
	{"constraint", "How many letters are in the word \"strawberry\"?"},
	{"constraint", "Count the number of vowels in the following sentence.\n\nThe quick brown fox jumps over the lazy dog."},
	{"constraint", "How many r's are in strawberry?"},
	{"constraint", "Write a haiku about autumn leaves."},
	{"constraint", "Describe your morning in exactly 12 words."},
	{"constraint", "List five animals that begin with B."},
	{"constraint", "Sort these words in alphabetical order: pear, apple, fig."},
	{"constraint", "Write a paragraph about the sea without using the letter e."},
	{"constraint", "Give me a five-letter word for a kind of tree."},
	{"constraint", "Write a tongue twister with the sound sh."},
	{"constraint", "How many syllables does the word \"onomatopoeia\" have?"},
	{"constraint", "Rewrite the headline in all capital letters."},
	{"constraint", "What is the longest word in the sentence below?"},
	{"constraint", "Write a pangram of your own."},
	{"constraint", "Remove all the vowels from this word: elephant"},
	{"constraint", "Write a poem in which every line rhymes with \"day\"."},
	{"grammar", "Correct the grammar: \"He go to school yesterday.\""},
	{"grammar", "Fix the grammatical errors in the following paragraph."},
	{"grammar", "Rewrite the sentence in the passive voice: The cat chased the mouse."},
	{"grammar", "Change the following sentence to past tense.\n\nShe walks to the market."},
	{"grammar", "Identify the verbs in the sentence: They sang and danced all night."},
	{"grammar", "Is this sentence grammatically correct? Me and him went to town."},
	{"grammar", "Proofread the following text and correct any mistakes in punctuation."},
	{"grammar", "What is the plural form of \"mouse\"?"},
	{"grammar", "Conjugate the verb \"to be\" in the present tense."},
	{"grammar", "Add the missing commas to this sentence: We ate bread cheese and apples."},
	{"grammar", "Find the run-on sentence in the paragraph and split it."},
	{"grammar", "Which preposition should be used here: She is good ___ chess."},
	{"grammar", "Convert the direct speech into reported speech."},
	{"grammar", "Edit the following sentence for subject-verb agreement: The dogs barks."},
	{"grammar", "Classify each word by its part of speech: quick, run, softly."},
	{"grammar", "What is the plural of mouse?"},
	{"grammar", "Change the tense of the sentence: She walks."},
	{"grammar", "Punctuate this: hello how are you"},
	{"translation", "What's the French word for bread?"},
	{"language-id", "Identify the language of this sentence: Guten Morgen, wie geht es dir?"},
	{"language-id", "What language is this text written in? \"Kaixo, zer moduz?\""},
	{"language-id", "Detect which language the following phrase is in."},
	{"language-id", "Tell me what language this is: Je ne sais pas."},
	{"rhyme", "Give me ten words that rhyme with \"orange\"."},
	{"rhyme", "Write a rhyming poem about a dog named Max."},
	{"rhyme", "Compose a limerick about a programmer."},
	{"rhyme", "Write a sonnet for my grandmother."},
	{"rhyme", "List three pairs of homophones and explain them."},
	{"rhyme", "Write a poem in which every line rhymes with \"day\"."},
	{"spelling", "Correct the spelling in this sentence: I recieved teh letter."},
	{"spelling", "How do you spell the name of the Hawaiian state fish?"},
	{"spelling", "Spell \"accommodate\" for me."},
	{"spelling", "Find the misspelled word: necessary, seperate, definitely."},
	{"spelling", "Convert the text from American to British spelling."},
	{"spelling", "Capitalize the words of the title correctly: the old man and the sea"},
	{"translation", "Translate the following sentence into Spanish: Where is the library?"},
	{"translation", "Translate \"good morning\" to French."},
	{"translation", "Translate into French: the cat sleeps."},
	{"translation", "Translate  into French: \"The cat sleeps.\""},
	{"translation", "How do you say \"thank you\" in Japanese?"},
	{"translation", "Can you translate this paragraph for me?\n\nLa vida es sueño."},
	{"translation", "What is the Latin translation of the motto?"},
	{"translation", "Please give an English translation for the poem below."},
	{"translation", "What does \"c'est la vie\" mean in English?"},
	{"translation", "Rewrite the email in German."},
	{"translation", "Translate: Bonjour tout le monde"},
	{"wordplay", "Make up a pun about cheese."},
	{"wordplay", "Find an anagram of \"listen\"."},
	{"wordplay", "Create an acrostic poem for the word HOPE."},
	{"wordplay", "Is \"racecar\" a palindrome?"},
	{"wordplay", "Unscramble the letters to form a word: t a c r"},
	{"wordplay", "Tell me a knock-knock joke."},
	{"wordplay", "Reverse the word \"computer\"."},
	{"wordplay", "Write a crossword clue for the answer OCEAN."},
}

// freeTasks are requests that can be made in any language, many with the words of those above.
var freeTasks = []string{
	"Which language is spoken in Brazil?",
	"Implement a palindrome checker in Java.",
	"Write a program that counts the vowels in the word it is given.",
	"Write a function that sorts words in alphabetical order.",
	"Translate the following Python code to C++.",
	"Identify the main subject of the painting.",
	"Give three tips for staying healthy.",
	"What are the three primary colors?",
	"Describe the structure of an atom.",
	"How can we reduce air pollution?",
	"Write a short story about a person who has to make a difficult career decision.",
	"Write a letter to your landlord about the broken heating.",
	"Summarize the following text in two sentences.",
	"Explain the difference between weather and climate.",
	"Write a cover letter for a job as a teacher.",
	"Generate a list of ten items a person might need for a camping trip.",
	"Discuss the causes of the Great Depression.",
	"Explain the use of word embeddings in natural language processing.",
	"Rewrite the following sentence so that it is easier to understand.",
	"How did Julius Caesar die?",
	"What is the capital of France?",
	"Write a poem about the sun and the moon.",
	"Write a Python function that reverses a list.",
	"Write a program that counts the lines of a file.",
	"What is the French Revolution?",
	"Tell me about Spanish cuisine.",
	"Who was the first Greek philosopher?",
	"Name two types of desert biomes.",
	"Create a classification task by clustering the given list of items.",
	"Convert 45 degrees Celsius to Fahrenheit.",
	"Identify the main idea of the passage.",
	"What are the benefits of learning a second language?",
	"Write an essay on the history of the English language.",
	"Put the steps of making tea in the right order.",
	"How many people live in Basque Country?",
	"How many words should an abstract have at a conference?",
	"Write a product description for a wireless keyboard.",
	"Suggest a name for a cat.",
	"Find the error in this calculation: 4 + 5 = 8.",
	"Correct me if I am wrong, but is Pluto a planet?",
	"Fix the bug in the following code.",
	"What should I do if my past comes back to haunt me?",
	"Write a script for a short play set in a bakery.",
	"Explain how a computer keyboard works.",
	"Is it better to rent or to buy a house at present?",
	"What does an active lifestyle look like?",
	"Write a thank-you letter to a friend.",
	"Give an example of a metaphor that uses the following object: stars.",
	"Explain how magic spells are used in fantasy novels.",
	"What happened in the Battle of Hastings?",
	"Describe a time when you had to sound confident.",
	"Make a shopping list for a party of ten.",
	"What is the meaning of life?",
	"Compare Chinese and Japanese architecture.",
	"Write an email to the Italian embassy about a visa.",
	"What are the ingredients of a Russian salad?",
	"Recommend a book for someone who likes mysteries.",
	"Explain photosynthesis to a five-year-old.",
	"Answer this question in one word: is water wet?",
	"Plan a week of German dinners.",
	"Provide a title for the following article.",
	"Write a dialogue between a customer and a salesperson.",
	"What is the object of the game of chess?",
	"How does the subject of the painting look at the viewer?",
	"Write a speech in favour of public libraries.",
	"What is translated when a ribosome reads RNA?",
	"Which article of the constitution protects free speech?",
	"Write a function that starts with a check of its arguments.",
}

func TestTasks(t *testing.T) {
	for _, c := range boundTasks {
		if got := Tasks(c.instruction, nil); !slices.Contains(got, c.task) || !slices.IsSorted(got) {
			t.Errorf("%q: %v, want %s", c.instruction, got, c.task)
		}
	}
	for _, s := range freeTasks {
		if got := Tasks(s, nil); len(got) > 0 {
			t.Errorf("%q: %v", s, got)
		}
	}
	if len(boundTasks) < 60 || len(freeTasks) < 60 {
		t.Errorf("%d and %d instructions", len(boundTasks), len(freeTasks))
	}
	for _, name := range TaskNames() {
		if !slices.ContainsFunc(boundTasks, func(b struct{ task, instruction string }) bool { return b.task == name }) {
			t.Errorf("no instruction for %s", name)
		}
	}
}

// TestTaskWords: an expression matches nothing that has none of its words.
func TestTaskWords(t *testing.T) {
	texts := slices.Clone(freeTasks)
	for _, c := range boundTasks {
		texts = append(texts, c.instruction)
	}
	for _, p := range readRows[helpPair](t, "testdata/pairs.jsonl.zst") {
		texts = append(texts, p.EN)
	}
	matches := 0
	for _, k := range tasks {
		for _, a := range k.asks {
			for _, s := range texts {
				if a.re.MatchString(s) {
					matches++
					if !a.in(s, strings.ToLower(s)) {
						t.Errorf("%s: %s has none of %s, but %q matches", k.name, a.re.text, a.any, s)
					}
				}
			}
		}
	}
	if matches < len(boundTasks) {
		t.Errorf("only %d matches", matches)
	}
}

func TestTasksByAnswer(t *testing.T) {
	const instruction = "Improve this sentence: He don't knows nothing about the cars."
	if got := Tasks(instruction, []string{"He knows nothing about the cars."}); !slices.Equal(got, []string{"grammar"}) {
		t.Errorf("%v", got)
	}
	if got := Tasks(instruction, []string{"Vehicles are a mystery to him, and always were."}); len(got) > 0 {
		t.Errorf("%v", got)
	}
}

func TestTasksInHelp(t *testing.T) {
	fired := 0
	pairs := readRows[helpPair](t, "testdata/pairs.jsonl.zst")
	for _, p := range pairs {
		if got := Tasks("What does the help say about \""+p.EN+"\"?", []string{p.EN}); len(got) > 0 {
			fired++
			t.Logf("%v %s", got, p.EN)
		}
	}
	if fired > 3 {
		t.Errorf("%d of %d ordinary questions are taken for bound tasks", fired, len(pairs))
	}
}
